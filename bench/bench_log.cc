#include "bench_log.h"

namespace cairn::bench {

Status BenchLog::give_space_back() {
  CAIRN_RETURN_IF_ERROR(log->flush());
  return stream.advance_base(log->end_lsn());
}

Result<BenchLog> make_bench_log(const std::filesystem::path& path, const BenchLogShape& shape) {
  BenchLog made;
  CAIRN_ASSIGN_OR_RETURN(made.log, log::Log::create(path.string(), shape.create, shape.open));
  log::Policies policies = made.log->policies();
  // The log makes some on its own, beside those asked for here.
  policies.spare_max = shape.containers + policies.ahead + policies.growth;
  CAIRN_RETURN_IF_ERROR(made.log->set_policies(policies));
  const auto there = static_cast<std::uint32_t>(made.log->scan_containers().size());
  if (there < shape.containers) {
    CAIRN_RETURN_IF_ERROR(made.log->add_containers(shape.containers - there));
  }
  CAIRN_ASSIGN_OR_RETURN(made.stream, made.log->create_stream("bench"));
  return made;
}

}  // namespace cairn::bench
