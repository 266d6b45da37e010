// The directory of a run: made, or refused.
#ifndef CAIRN_EXAMPLES_BANK_DIRECTORY_H_
#define CAIRN_EXAMPLES_BANK_DIRECTORY_H_

#include <string>

#include <cairn/result.h>

namespace cairn::examples::bank {

// Makes `path` an empty bank directory and returns its absolute path. An earlier run of the bank in
// it is removed; a directory that holds anything else is not touched: kAlreadyExists. Also
// kIoError.
[[nodiscard]] Result<std::string> make_directory(const std::string& path);

// "out/bank-<date>-<time>-<process>": one that is not there yet, for those who name none.
[[nodiscard]] std::string default_directory();

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_DIRECTORY_H_
