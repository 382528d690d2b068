# For git fast-import: branches as they were fetched, of `hosts` hosts with `rules` rules and none in common.
BEGIN {
  for (h = 0; h < hosts; h++) {
    ref = sprintf("refs/remotes/origin/hosts/web%05d", h)
    printf "commit %s\nauthor alice <alice@web> %d +0000\ncommitter rewall <rewall@web> %d +0000\n", ref, now - h, now - h
    print "data 49\nrules\n\nRewall-Trigger: watch\nRewall-Backend: nft\n"
    text = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    for (r = 0; r < rules; r++) text = text "-A INPUT " rule() "\n"
    text = text "COMMIT\n"
    printf "M 100644 inline rules.v4\ndata %d\n%s\n", length(text), text
  }
}
