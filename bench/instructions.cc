// cairn_bench_instructions: appends for an instruction counter. tools/bench --instructions runs it
// twice under valgrind --tool=callgrind, with different counts; the difference divided by the
// records between is what one append costs, free of the cost of starting up.
//
//   cairn_bench_instructions DIR RECORDS PAYLOAD
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench_log.h"

namespace {

cairn::Status append(const char* path, std::size_t records, std::size_t size) {
  cairn::bench::BenchLogShape shape;
  shape.create.container_size = std::uint64_t{16} << 20;
  shape.containers = 4;
  CAIRN_ASSIGN_OR_RETURN(cairn::bench::BenchLog log, cairn::bench::make_bench_log(path, shape));
  const std::vector<std::byte> payload(size, std::byte{'r'});
  for (std::size_t i = 0; i < records; ++i) {
    CAIRN_RETURN_IF_ERROR(log.stream.append(payload).status());
  }
  return log.log->close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: cairn_bench_instructions DIR RECORDS PAYLOAD\n");
    return 2;
  }
  const auto status =
      append(argv[1], std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
  if (!status) std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status ? 0 : 1;
}
