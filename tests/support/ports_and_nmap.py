"""ports_and_nmap.py JSON CLIENT SETS NMAP...: holds what `rewall ports --json` says against what nmap found.

JSON is a file of `rewall ports`. CLIENT is ADDRESS,INTERFACE: who scanned, and the interface of the host by which that
came in. SETS is a file of `ipset save`. NMAP is a file of `nmap -oG`. Prints each port on which the two disagree, and
how many they agree on; ports that hang on what no packet says are counted as such."""
import ipaddress
import json
import re
import sys


class Unknown(Exception):
    pass


def read_sets(path):
    sets = {}
    for line in open(path):
        words = line.split()
        if words[:1] == ['add']:
            sets.setdefault(words[1], []).append((words[2], 'nomatch' in words))
    return sets


def is_in(address, item, sets):
    """One item of a list: an address, a network, a range, a set."""
    if item.startswith('the set '):
        # The narrowest network that holds it decides.
        found = [(ipaddress.ip_network(member).prefixlen, not nomatch)
                 for member, nomatch in sets.get(item[8:], []) if is_in(address, member, sets)]
        return bool(found) and max(found)[1]
    if re.search(r'^and |\bmore$', item):
        raise Unknown(item)
    first, dash, last = item.partition('-')
    if dash:
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last)
        return low.version == address.version and low <= address <= high
    return address in ipaddress.ip_network(item, strict=False)


def is_listed(address, items, sets):
    if re.search(r' and \d+ more$', items):
        raise Unknown(items)
    return any(is_in(address, item, sets) for item in items.split(', '))


FIELDS = re.compile(r'( not)? in on ([^ ]+(?:, [^ ]+)*?)(?=$| to | in on | but |, but )|( to all but| to) (.*?)$')


def clause(words, client, sets, here):
    """`everyone [FIELDS] [but LIST]`, `everyone but LIST` or `LIST [FIELDS]`."""
    address, interface = client
    if ', if ' in words or ', unless ' in words:
        raise Unknown(words)
    # nmap sends from a port above.
    if words.endswith(' with --sport 1:1023'):
        return False
    if ' with ' in words:
        raise Unknown(words)
    begin = re.search(r'( not)? in on | to ', words)
    who, rest = (words[:begin.start()], words[begin.start():]) if begin else (words, '')
    but = re.search(r' but (?!those)(?!.* to all but)(.*)$', rest) if ' to all but' not in rest else None
    if but:
        rest = rest[:but.start()]
        who = 'everyone but ' + but.group(1)
    if who == 'everyone':
        holds = True
    elif who.startswith('everyone but '):
        holds = not is_listed(address, who[len('everyone but '):], sets)
    else:
        holds = is_listed(address, who, sets)
    for match in FIELDS.finditer(rest):
        if match.group(2):
            names = match.group(2).split(',')
            found = any(interface == n or n.endswith('+') and interface.startswith(n[:-1]) for n in names)
            holds = holds and found != bool(match.group(1))
        else:
            found = is_listed(here, match.group(4), sets)
            holds = holds and found != (match.group(3) == ' to all but')
    return holds


def reaches(words, client, sets, here):
    if words == 'nobody':
        return False
    if words.endswith('; and more') or re.search(r'; and \d+ more$', words):
        raise Unknown(words)
    if words.startswith('everyone but those'):
        return not clause('everyone' + words[len('everyone but those'):], client, sets, here)
    if words.startswith('everyone but ') and '; ' not in words:
        return not any(clause(part, client, sets, here) for part in words[len('everyone but '):].split(', and '))
    return any(clause(part, client, sets, here) for part in words.split('; '))


def contains(ports, number):
    if ports == 'all':
        return True
    for part in (ports or '').split(','):
        first, _, last = part.partition('-')
        if part and int(first) <= number <= int(last or first):
            return True
    return False


def read_scan(path):
    """Protocol, the ports that were scanned, the address, and the states of those that nmap lists."""
    lines = open(path).read().splitlines()
    words = lines[0].split()
    numbers = [int(n) for n in words[words.index('-p') + 1].split(',')]
    protocol = 'tcp' if '-sS' in words else 'udp'
    here, states = None, {}
    for line in lines[1:]:
        if line.startswith('Host: '):
            here = ipaddress.ip_address(line.split()[1])
        if 'Ports: ' in line:
            for entry in line.split('Ports: ')[1].split('\t')[0].split(', '):
                if '/' in entry:
                    number, state = entry.strip().split('/')[:2]
                    states[int(number)] = state
    if here is None or '1 host up' not in lines[-1]:
        sys.exit('nmap did not scan: %s' % lines)
    return protocol, numbers, here, states


# Where DNAT may lead to: what is there in the test.
THERE = ('port ', '172.17.0.2', '203.0.113.5', '10.1.0.5', '[2001:db8::5]', '[fd00:1::5]')


def main():
    rows = json.load(open(sys.argv[1]))
    address, _, interface = sys.argv[2].partition(',')
    client = (ipaddress.ip_address(address), interface)
    family = 'ipv%d' % client[0].version
    sets = read_sets(sys.argv[3])
    agree = unknown = 0
    for path in sys.argv[4:]:
        protocol, numbers, here, states = read_scan(path)
        for number in numbers:
            state = states.get(number, 'not open')
            asked = [r for r in rows if r['family'] == family and r['protocol'] == protocol
                     and contains(r['ports'], number)]
            try:
                if any(r['depends_on'] or r['to'] and not r['to'].startswith(THERE) for r in asked):
                    raise Unknown
                said = any(reaches(r['from'], client, sets, here) for r in asked if r['open'] != 'none')
            except Unknown:
                unknown += 1
                continue
            if said == (state == 'open'):
                agree += 1
            else:
                print('%s %s from %s: nmap says %s, rewall %s' % (
                    protocol, number, sys.argv[2], state, [r['from'] for r in asked]))
    print('agree on %d, unknown %d' % (agree, unknown))


main()
