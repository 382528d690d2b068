# One ruleset of `rules` rules in `chains` chains, `changed` of them, spread evenly, other ones than with changed=0.
BEGIN {
  print "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]"
  for (c = 0; c < chains; c++) printf ":zone-%05d - [0:0]\n", c
  per = rules / chains
  step = changed ? int(rules / changed) : 0
  for (c = 9; c < chains; c += 10) printf "-A INPUT -s 10.%d.%d.0/24 -j zone-%05d\n", c / 256, c % 256, c
  for (c = 0; c < chains; c++)
    for (r = 0; r < per; r++) {
      n = c * per + r
      text = rule()
      # Ten chains are a ladder of jumps: INPUT enters at the last, and the first has no jump.
      if (r == 0 && c % 10 == 0) continue
      if (r == 0) text = sprintf("-s 10.%d.%d.0/24 -j zone-%05d", c / 256, c % 256, c - 1)
      # A rule with a port gets another port, another rule is replaced.
      if (step && n % step == 7 && !sub(/--dport [0-9]+/, "--dport " (int(n / step) + 1), text))
        text = "-s 203.0.113." (n % 256) "/32 -p tcp -m tcp --dport " (int(n / step) + 1) " -j DROP"
      printf "-A zone-%05d %s\n", c, text
    }
  print "COMMIT"
}
