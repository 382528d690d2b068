# For git fast-import: `commits` commits of `rules` rules. One rule of the last tenth changes with each commit: for the
# others whoever asks where they are from goes back to the first.
function data(text) { printf "data %d\n%s\n", length(text), text }
function set_rule(n) {
  size -= length(text[n])
  text[n] = sprintf("-A zone-%03d -s 10.%d.%d.0/24 -p tcp -m tcp --dport %d -j ACCEPT\n", n / 10, n / 256, n % 256, ++port % 65000 + 1)
  size += length(text[n])
}
BEGIN {
  head = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
  for (n = 0; n < rules; n += 10) head = head sprintf(":zone-%03d - [0:0]\n", n / 10)
  for (n = 0; n < rules; n++) set_rule(n)
  print "reset refs/heads/hosts/bench"
  for (c = 0; c < commits; c++) {
    set_rule(int(rules * (0.9 + rand() / 10)))
    who = " <rewall@bench> " (1600000000 + c * 60) " +0000"
    printf "commit refs/heads/hosts/bench\nauthor alice%s\ncommitter rewall%s\n", who, who
    data("filter/zone: ~1 dport " port "\n\nRewall-Trigger: watch\nRewall-Backend: nft\n" \
      "Rewall-Tools: iptables v1.8.9 (nf_tables)\nRewall-Actor: alice, pts/0\n" \
      "Rewall-Command: iptables -R zone 1 -p tcp --dport " port " -j ACCEPT")
    printf "M 100644 inline rules.v4\ndata %d\n%s", length(head) + size + 7, head
    for (n = 0; n < rules; n++) printf "%s", text[n]
    print "COMMIT\n"
  }
}
