// check_storage: whether an implementation of cairn/storage.h keeps what can be seen without a
// power cut.
//
// For whoever brings a storage of their own: run it through this before a log lives on it. What
// only a power cut shows (S1, S2, S4 for killed processes) it cannot see; the kill and power-cut
// tests of the storage's author must.
#ifndef CAIRN_SIM_STORAGE_CONFORMANCE_H_
#define CAIRN_SIM_STORAGE_CONFORMANCE_H_

#include <string>
#include <vector>

#include <cairn/storage.h>

namespace cairn::sim {

// The rules of cairn/storage.h that `storage` breaks, each a sentence with what was expected and
// found; empty: none. Works in the directory `path`, which must not exist, takes some 2 MiB there
// and leaves its files behind. For one thread; no other use of the directory meanwhile. A storage
// that never completes a request makes it wait for ever.
[[nodiscard]] std::vector<std::string> check_storage(log::Storage& storage,
                                                     const std::string& path);

}  // namespace cairn::sim

#endif  // CAIRN_SIM_STORAGE_CONFORMANCE_H_
