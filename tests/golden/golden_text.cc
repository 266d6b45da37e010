#include "golden/golden_text.h"

#include <cstdint>
#include <optional>
#include <span>
#include <sstream>
#include <utility>

#include <cairn/log.h>
#include <cairn/recovered_state.h>

#include "log/torture_names.h"

namespace cairn::golden {
namespace {

std::uint64_t fnv1a(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0xcbf29ce484222325ULL;
  for (const std::byte byte : bytes) {
    sum = (sum ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3ULL;
  }
  return sum;
}

std::string bytes_text(std::span<const std::byte> bytes) {
  std::ostringstream out;
  out << bytes.size() << " bytes " << std::hex << fnv1a(bytes);
  return out.str();
}

std::string restart_text(const char* which, const std::optional<log_test::SeenRestart>& area) {
  if (!area) return {};
  return std::string("  ") + which + " " + area->lsn.to_string() + " base " +
         area->base.to_string() + " " + bytes_text(area->data) + "\n";
}

}  // namespace

Result<std::string> golden_text(std::shared_ptr<sim::SimStorage> storage) {
  CAIRN_ASSIGN_OR_RETURN(const auto log, log::Log::open("log", log_test::manual_options(storage)));
  std::ostringstream out;
  out << "end " << log::end_label_name(log->info().end_of_log.label) << " at "
      << log->info().end_of_log.end.to_string() << "\n";
  CAIRN_ASSIGN_OR_RETURN(const log_test::LogContents contents, log_test::read_contents(*log));
  for (const auto& [name, stream] : contents.streams) {
    out << "stream " << name << " id " << stream.id << " base " << stream.base.to_string()
        << " last " << stream.last.to_string() << "\n"
        << restart_text("restart", stream.restart)
        << restart_text("previous", stream.previous_restart);
    for (const log_test::SeenRecord& record : stream.records) {
      out << "  record " << record.lsn.to_string() << " " << log::record_kind_name(record.kind)
          << " type " << record.type << " previous " << record.previous.to_string() << " undo "
          << record.undo_next.to_string() << " " << bytes_text(record.payload) << "\n";
    }
  }
  CAIRN_RETURN_IF_ERROR(log->close());
  return out.str();
}

Result<std::string> manager_text(std::shared_ptr<sim::SimStorage> storage) {
  CAIRN_ASSIGN_OR_RETURN(const auto view,
                         log::LogView::open("log", log_test::manual_options(std::move(storage))));
  CAIRN_ASSIGN_OR_RETURN(const auto state, recovery::read_tm_state(*view, "tm"));
  std::string text = "manager " + state.transaction_manager.to_string() + " clock " +
                     std::to_string(state.clock) + "\n";
  for (const auto& transaction : state.transactions) {
    text += recovery::describe(recovery::TmRecord(transaction.record)) + "\n";
  }
  return text;
}

}  // namespace cairn::golden
