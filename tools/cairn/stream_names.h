// StreamNames: the names behind the numbers of a log's records: streams and containers.
#ifndef CAIRN_TOOLS_STREAM_NAMES_H_
#define CAIRN_TOOLS_STREAM_NAMES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <cairn/log.h>
#include <cairn/record.h>

namespace cairn::tools {

// What the engine's own stream is called; it has no name of its own.
inline constexpr std::string_view kEngineStreamName = "(engine)";

// What a view knows at the moment; make it anew after a refresh.
class StreamNames {
 public:
  explicit StreamNames(const log::LogView& view);

  // The stream's name; "(stream 7)" for one that was deleted, or whose creation cannot be read.
  [[nodiscard]] std::string stream_name(log::StreamId id) const;
  // Whether a stream of that name is there, the engine's included.
  [[nodiscard]] bool has_stream(std::string_view name) const;
  // Whether the stream's restart area is a transaction manager's, so that its records can be
  // described.
  [[nodiscard]] bool is_transaction_manager(log::StreamId id) const;
  // The path of a container's file. Absent: it was recycled since.
  [[nodiscard]] std::optional<std::string> container_file(std::uint64_t number) const;

 private:
  std::map<log::StreamId, std::string> streams_;
  std::set<log::StreamId> transaction_managers_;
  std::map<std::uint64_t, std::string> containers_;
};

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_STREAM_NAMES_H_
