#!/bin/sh
# The firewall of the guide that started this project, as its readers type it: ./dev demo and the tests load it.
# It changes the firewall of the network namespace it runs in: run it under `unshare --net`.
set -e

# Null packets, new connections that do not start with SYN, XMAS packets.
iptables -A INPUT -p tcp --tcp-flags ALL NONE -j DROP
iptables -A INPUT -p tcp ! --syn -m state --state NEW -j DROP
iptables -A INPUT -p tcp --tcp-flags ALL ALL -j DROP

# This host itself, web, mail.
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
iptables -A INPUT -p tcp -m tcp --dport 443 -j ACCEPT
iptables -A INPUT -p tcp -m tcp --dport 25 -j ACCEPT
iptables -A INPUT -p tcp -m tcp --dport 465 -j ACCEPT
iptables -A INPUT -p tcp -m tcp --dport 110 -j ACCEPT
iptables -A INPUT -p tcp -m tcp --dport 995 -j ACCEPT
iptables -A INPUT -p tcp -m tcp --dport 143 -j ACCEPT
iptables -A INPUT -p tcp -m tcp --dport 993 -j ACCEPT

# What this host began itself comes back in, before anything else is asked.
iptables -I INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT

# Administration from one address.
iptables -A INPUT -p tcp -s 198.51.100.7 -m tcp --dport 22 -j ACCEPT

iptables -P OUTPUT ACCEPT
iptables -P INPUT DROP
