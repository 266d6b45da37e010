// Cairn as its users get it: default options but for the size of containers, one stream.
#include "bench_log.h"
#include "subject.h"

namespace cairn::bench {
namespace {

class CairnSubject final : public Subject {
 public:
  explicit CairnSubject(BenchLog log) : log_(std::move(log)) {}

  Status append(unsigned /*thread*/, std::span<const std::byte> payload) override {
    return log_.stream.append(payload, {.durability = log::Durability::kDurable}).status();
  }
  Status end_round() override { return log_.give_space_back(); }

 private:
  BenchLog log_;
};

}  // namespace

Engine cairn_engine() {
  return {.name = "cairn",
          .version = CAIRN_BENCH_VERSION,
          .open = [](const std::filesystem::path& directory,
                     const Workload& workload) -> Result<std::unique_ptr<Subject>> {
            BenchLogShape shape;
            shape.create.container_size = std::uint64_t{32} << 20;
            shape.containers = workload.payload < 4096 ? 6 : 24;
            CAIRN_ASSIGN_OR_RETURN(BenchLog log, make_bench_log(directory / "log", shape));
            return std::unique_ptr<Subject>(std::make_unique<CairnSubject>(std::move(log)));
          }};
}

}  // namespace cairn::bench
