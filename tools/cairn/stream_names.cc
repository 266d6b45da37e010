#include "stream_names.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include <cairn/tm_record.h>

namespace cairn::tools {

StreamNames::StreamNames(const log::LogView& view) {
  const log::LogInfo info = view.info();
  streams_.emplace(log::kCatalogStream, kEngineStreamName);
  for (const log::StreamInfo& stream : info.streams) {
    streams_.insert_or_assign(stream.id, stream.name);
    // A restart area that cannot be read only costs the descriptions: who reads the records meets
    // the damage and reports it.
    const auto restart = view.read_restart_area(stream.name);
    if (restart.is_ok() && recovery::is_restart_record(restart->data)) {
      transaction_managers_.insert(stream.id);
    }
  }
  for (const log::ContainerInfo& container : info.containers) {
    containers_.emplace(container.number,
                        (std::filesystem::path(info.path) / container.file).string());
  }
}

std::string StreamNames::stream_name(log::StreamId id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? fmt::format("(stream {})", id) : found->second;
}

bool StreamNames::has_stream(std::string_view name) const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [&](const auto& stream) { return stream.second == name; });
}

bool StreamNames::is_transaction_manager(log::StreamId id) const {
  return transaction_managers_.contains(id);
}

std::optional<std::string> StreamNames::container_file(std::uint64_t number) const {
  const auto found = containers_.find(number);
  if (found == containers_.end()) return std::nullopt;
  return found->second;
}

}  // namespace cairn::tools
