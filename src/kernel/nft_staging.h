#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "kernel/programs.h"
#include "rules/native_tables.h"

namespace rewall {

/// The network interfaces of the calling thread's namespace: number and name.
using Links = std::vector<std::pair<unsigned, std::string>>;
Links list_links();

/// Loads native tables with the host's nft into the calling thread's namespace, a scratch one. Interfaces of
/// `links` that the tables name are made there, with their numbers: a rule holds the number (`iif`), and a
/// chain or flowtable needs its device. `whole` is what the tables are a part of, and `file` its name in
/// errors. Kind kernel: nft is not installed or refuses them; the message has the file, the line and nft's
/// words.
Status load_native(Programs& programs, const std::vector<const NativeTable*>& tables,
                   const NativeTables& whole, const std::string& file, const Links& links);

/// Loads a text that a person wrote, in the calling thread's namespace, a scratch one: includes and variables
/// are resolved by nft. `path` is the file to read, empty for the text itself. Kind usage: nft takes it for
/// no ruleset; the message has its file, line and words. Kind kernel: the kernel refuses it.
Status load_written(Programs& programs, const std::string& path, const std::string& text, const Links& links);

/// Where there is no scratch namespace: one transaction of nft that turns `live` into `wanted`.
Status load_by_nft(Programs& programs, const NativeTables& live, const NativeTables& wanted);

}  // namespace rewall
