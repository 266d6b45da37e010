// The directory of a run: made, or refused.
#ifndef CAIRN_EXAMPLES_BANK_DIRECTORY_H_
#define CAIRN_EXAMPLES_BANK_DIRECTORY_H_

#include <memory>
#include <string>

#include <cairn/result.h>

namespace cairn::examples::bank {

// Held by the one run that a directory is in use by; given back by destruction, or by the end of
// the process.
struct BankDirectory {
  std::string path;            // absolute
  std::shared_ptr<void> hold;  // an advisory lock on it
};

// Makes `path` an empty bank directory. An earlier run of the bank in it is removed; a directory
// that holds anything else, or that another run is in, is not touched: kAlreadyExists, kLocked.
// Also kIoError.
[[nodiscard]] Result<BankDirectory> make_directory(const std::string& path);

// "out/bank-<date>-<time>-<process>": one that is not there yet, for those who name none.
[[nodiscard]] std::string default_directory();

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_DIRECTORY_H_
