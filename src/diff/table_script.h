#pragma once

#include <string>
#include <vector>

#include "diff/pairs.h"

namespace rewall {

/// Appends the commands that make one table of `from` that of `to`, word for word, in an order that runs:
/// those of `program` (`iptables`), and here-documents to `program`-restore where `program` itself refuses
/// what iptables-restore takes. One element of `out` a command, quoted for a POSIX shell; a here-document is
/// an element of several lines.
void write_table_commands(const BackendPair& tables, const std::string& program, const TablePair& pair,
                          std::vector<std::string>& out);

/// Words of iptables-save or ipset save, each quoted for a shell.
std::string shell_words(std::string_view words);

}  // namespace rewall
