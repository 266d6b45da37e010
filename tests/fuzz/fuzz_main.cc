// The entry of libFuzzer, for the target that CAIRN_FUZZ_TARGET names.
#include <cstdint>

#include "fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  CAIRN_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}
