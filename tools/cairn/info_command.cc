// `cairn info`: what a log is, where it begins and ends, what it holds, and what it lies on.
#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include <cairn/log.h>

#include "calibration_text.h"
#include "commands.h"
#include "text.h"

namespace cairn::tools {
namespace {

Status missing(const log::LogInfo& info, std::uint64_t number) {
  StatusDetail detail;
  detail.lsn_begin = std::max(Lsn(number * info.container_size), info.tail);
  detail.lsn_end = Lsn((number + 1) * info.container_size);
  detail.file = info.path + "/" + container_file_name(number);
  return Status(
      StatusCode::kContainerMissing,
      fmt::format("{}: expected container {} (LSN {} to {}), found no such file", detail.file,
                  number, detail.lsn_begin.to_string(), detail.lsn_end.to_string()),
      detail);
}

// A container that the log went on from is full: bytes missing in it had been acknowledged. What
// is missing in the active one is judged with the end of the log.
Status check_size(const log::LogInfo& info, const log::ContainerInfo& container) {
  if (container.state != log::ContainerState::kInactive &&
      container.state != log::ContainerState::kPendingArchive) {
    return Status::ok();
  }
  const auto file = std::filesystem::path(info.path) / container.file;
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file, error);
  if (error == std::errc::no_such_file_or_directory) return missing(info, container.number);
  if (error) return Status(StatusCode::kIoError, file.string() + ": " + error.message());
  if (size == info.container_size) return Status::ok();
  StatusDetail detail;
  detail.lsn_begin = Lsn(container.number * info.container_size + size);
  detail.lsn_end = Lsn((container.number + 1) * info.container_size);
  return Status(StatusCode::kContainerSize,
                fmt::format("{}: LSN {} to {}: expected a file of {} bytes, found {}",
                            file.string(), detail.lsn_begin.to_string(), detail.lsn_end.to_string(),
                            info.container_size, size),
                detail);
}

// Whether the containers from the tail to the end of the log are there as a whole. What is in them
// is for verify.
Status check_containers(const log::LogInfo& info) {
  std::set<std::uint64_t> found;
  for (const log::ContainerInfo& container : info.containers) {
    found.insert(container.number);
    CAIRN_RETURN_IF_ERROR(check_size(info, container));
  }
  const std::uint64_t last = info.end.container(info.container_size);
  for (std::uint64_t number = info.tail.container(info.container_size); number < last; ++number) {
    if (!found.contains(number)) return missing(info, number);
  }
  return Status::ok();
}

// Beside a process that writes the log, a container can be recycled between two looks.
Status find_damage(log::LogView& view) {
  for (;;) {
    const log::LogInfo info = view.info();
    CAIRN_RETURN_IF_ERROR(end_of_log_status(info));
    Status status = check_containers(info);
    if (status.is_ok() || !view.refresh().is_ok() || view.info().tail == info.tail) return status;
  }
}

void print_tables(const log::LogInfo& info, Output& out) {
  out.line();
  out.line("{:>6}  {:>14}  {:>14}  {:>14}  {:>14}  {}", "STREAM", "BASE", "LAST", "RESTART",
           "PREVIOUS", "NAME");
  for (const log::StreamInfo& stream : info.streams) {
    out.line("{:>6}  {:>14}  {:>14}  {:>14}  {:>14}  {}", stream.id, lsn_text(stream.base),
             lsn_text(stream.last), lsn_text(stream.restart), lsn_text(stream.previous_restart),
             escaped(stream.name));
  }
  out.line();
  out.line("{:>10}  {:<8}  {:>14}  {}", "CONTAINER", "STATE", "FIRST LSN", "FILE");
  for (const log::ContainerInfo& container : info.containers) {
    out.line("{:>10}  {:<8}  {:>14}  {}", container.number,
             log::container_state_name(container.state), container.number * info.container_size,
             container.file);
  }
}

void print_text(const log::LogInfo& info, Output& out) {
  const log::StorageInfo& storage = info.storage;
  out.line("log         {}", escaped(info.path));
  out.line("identity    {}", info.id.to_string());
  out.line("format      version {}", info.format_version);
  out.line("epoch       {}", info.epoch);
  out.line("container   {}, maximum of all {}", bytes_text(info.container_size),
           info.max_size == 0 ? "none" : bytes_text(info.max_size));
  out.line("block       {}, aligned to {}, longest record {} bytes", bytes_text(info.block_size),
           bytes_text(info.alignment), info.max_record);
  const log::Policies& policies = info.policies;
  out.line("policies    minimum {}, growth {}, ahead {}, spare {} at most",
           policies.min_size == 0 ? "none" : bytes_text(policies.min_size), policies.growth,
           policies.ahead, policies.spare_max);
  out.line("            shrink at {}%, low space at {}%, restart area {} bytes",
           policies.shrink_percent, policies.low_space_percent, policies.restart_area);
  out.line("tail        {}", info.tail.to_string());
  for (const log::PinInfo& pin : info.pins) {
    out.line("pinned by   {} \"{}\" at {}, {} before the end", log::pin_kind_name(pin.kind),
             escaped(pin.name), pin.lsn.to_string(), bytes_text(pin.bytes));
  }
  out.line("durable     {}", info.durable.to_string());
  out.line("end         {}", info.end.to_string());
  out.line("end of log  {}{}{}", log::end_label_name(info.end_of_log.label),
           info.end_of_log.reason.empty() ? "" : ": ", escaped(info.end_of_log.reason));
  out.line("storage     {} on {}, {}, sectors of {} and {} bytes", storage.kind,
           storage.file_system, storage.direct ? "direct" : "through the page cache",
           storage.logical_sector, storage.physical_sector);
  if (!storage.reason.empty()) out.line("            {}", escaped(storage.reason));
  out.line("direct      {}: {}", storage.direct ? "yes" : "no", escaped(storage.direct_reason));
  out.line("durability  {}: {}", log::durable_writes_name(storage.durable_writes),
           escaped(storage.durable_writes_reason));
  out.line("in flight   {} writes at once: {}", info.depth, escaped(info.depth_reason));
  if (info.calibration) {
    out.line("calibrated  {}", escaped(log::describe_choice(*info.calibration)));
    out.line("            {}", calibration_place(*info.calibration));
  } else {
    out.line("calibrated  no");
  }
  if (!info.calibration_note.empty()) out.line("            {}", escaped(info.calibration_note));
  for (const std::string& weakness : storage.weaknesses) {
    out.line("weakness    {}", escaped(weakness));
  }
  print_tables(info, out);
}

nlohmann::ordered_json storage_json(const log::StorageInfo& storage) {
  return {{"kind", storage.kind},
          {"reason", storage.reason},
          {"file_system", storage.file_system},
          {"direct", storage.direct},
          {"direct_reason", storage.direct_reason},
          {"durable_writes", log::durable_writes_name(storage.durable_writes)},
          {"durable_writes_reason", storage.durable_writes_reason},
          {"logical_sector", storage.logical_sector},
          {"physical_sector", storage.physical_sector},
          {"alignment", storage.alignment},
          {"device", log::device_text(storage.device)},
          {"weaknesses", storage.weaknesses}};
}

nlohmann::ordered_json policies_json(const log::Policies& policies) {
  return {{"max_size", policies.max_size},
          {"min_size", policies.min_size},
          {"growth", policies.growth},
          {"ahead", policies.ahead},
          {"spare_max", policies.spare_max},
          {"shrink_percent", policies.shrink_percent},
          {"low_space_percent", policies.low_space_percent},
          {"restart_area", policies.restart_area}};
}

void print_json(const log::LogInfo& info, Output& out) {
  nlohmann::ordered_json json;
  json["log"] = info.path;
  json["id"] = info.id.to_string();
  json["format_version"] = info.format_version;
  json["epoch"] = info.epoch;
  json["container_size"] = info.container_size;
  json["max_size"] = info.max_size;
  json["block_size"] = info.block_size;
  json["alignment"] = info.alignment;
  json["max_record"] = info.max_record;
  json["tail"] = lsn_json(info.tail);
  json["pins"] = nlohmann::ordered_json::array();
  for (const log::PinInfo& pin : info.pins) {
    json["pins"].push_back({{"kind", log::pin_kind_name(pin.kind)},
                            {"name", pin.name},
                            {"lsn", lsn_json(pin.lsn)},
                            {"bytes", pin.bytes}});
  }
  json["archive_tail"] = lsn_json(info.archive_tail);
  json["durable"] = lsn_json(info.durable);
  json["end"] = lsn_json(info.end);
  json["end_of_log"] = {{"label", log::end_label_name(info.end_of_log.label)},
                        {"reason", info.end_of_log.reason},
                        {"epoch", info.end_of_log.epoch}};
  json["policies"] = policies_json(info.policies);
  json["storage"] = storage_json(info.storage);
  json["depth"] = info.depth;
  json["depth_reason"] = info.depth_reason;
  json["calibration"] =
      info.calibration ? calibration_json(*info.calibration) : nlohmann::ordered_json(nullptr);
  json["calibration_note"] = info.calibration_note;
  json["streams"] = nlohmann::ordered_json::array();
  for (const log::StreamInfo& stream : info.streams) {
    json["streams"].push_back({{"id", stream.id},
                               {"name", stream.name},
                               {"base", lsn_json(stream.base)},
                               {"last", lsn_json(stream.last)},
                               {"restart", lsn_json(stream.restart)},
                               {"previous_restart", lsn_json(stream.previous_restart)}});
  }
  json["containers"] = nlohmann::ordered_json::array();
  for (const log::ContainerInfo& container : info.containers) {
    json["containers"].push_back({{"number", container.number},
                                  {"state", log::container_state_name(container.state)},
                                  {"first_lsn", container.number * info.container_size},
                                  {"file", container.file}});
  }
  out.line("{}", json_line(json));
}

}  // namespace

ExitCode run_info(const InfoArguments& arguments, Output& out) {
  const auto view = log::LogView::open(arguments.directory);
  if (!view.is_ok()) return report("info", view.status());
  const Status damage = find_damage(**view);
  const log::LogInfo info = (*view)->info();
  if (arguments.json) {
    print_json(info, out);
  } else {
    print_text(info, out);
  }
  out.flush();
  return report("info", damage);
}

}  // namespace cairn::tools
