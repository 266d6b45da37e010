// `cairn dump`: the records of a log, in log order.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/log.h>

#include "commands.h"
#include "interrupt.h"
#include "record_line.h"
#include "stream_names.h"
#include "text.h"

namespace cairn::tools {
namespace {

constexpr std::chrono::milliseconds kPollInterval{200};

class Dump {
 public:
  Dump(const DumpArguments& arguments, log::LogView& view, Output& out)
      : arguments_(arguments), view_(view), out_(out), names_(view) {
    options_.start = Lsn(arguments.from.value_or(0));
    options_.end = Lsn(arguments.to.value_or(0));
    options_.types = arguments.types;
    // Types of the engine's records are numbered on their own: who means them, names their stream.
    options_.catalog = arguments.types.empty() || asks_for(std::string(kEngineStreamName));
  }

  // Prints what is there, and with --follow what comes, until interrupted or nobody reads on.
  [[nodiscard]] Status run() {
    CAIRN_RETURN_IF_ERROR(check_streams());
    if (!arguments_.json) out_.line("{}", record_text_head());
    CAIRN_RETURN_IF_ERROR(print_to_end());
    if (!arguments_.follow) return Status::ok();
    for (;;) {
      out_.flush_and_wait(kPollInterval);
      if (out_.is_closed() || interrupted() || is_past_limit()) return Status::ok();
      CAIRN_ASSIGN_OR_RETURN(const bool moved, view_.refresh());
      if (!moved) continue;
      names_ = StreamNames(view_);
      CAIRN_RETURN_IF_ERROR(print_to_end());
    }
  }

 private:
  [[nodiscard]] bool asks_for(const std::string& stream) const {
    const std::vector<std::string>& asked = arguments_.streams;
    return std::find(asked.begin(), asked.end(), stream) != asked.end();
  }

  [[nodiscard]] bool is_wanted(const log::Record& record) const {
    return arguments_.streams.empty() || asks_for(names_.stream_name(record.stream));
  }

  [[nodiscard]] bool is_past_limit() const {
    return arguments_.to && view_.info().end >= Lsn(*arguments_.to);
  }

  // A stream that is not there is a mistake of the caller, unless damage hides it.
  [[nodiscard]] Status check_streams() const {
    const log::LogInfo info = view_.info();
    if (!end_of_log_status(info).is_ok()) return Status::ok();
    for (const std::string& name : arguments_.streams) {
      if (!names_.has_stream(name)) {
        return Status(StatusCode::kNotFound, info.path + ": no stream \"" + name + "\"");
      }
    }
    return Status::ok();
  }

  [[nodiscard]] Status print_to_end() {
    while (!out_.is_closed() && !interrupted()) {
      CAIRN_ASSIGN_OR_RETURN(const auto record, next());
      if (!record) return Status::ok();
      if (!is_wanted(*record)) continue;
      print(*record);
      if (arguments_.follow) out_.flush();
    }
    return Status::ok();
  }

  // The next record. Beside a process that writes the log, the records about to be read can be
  // recycled; then the log is read on from its new tail.
  [[nodiscard]] Result<std::optional<log::Record>> next() {
    for (;;) {
      auto record = next_of_cursor();
      if (record.is_ok()) {
        if (*record) options_.start = (*record)->lsn + 1;
        return record;
      }
      if (!view_.refresh().is_ok() || view_.info().tail == cursor_tail_) return record;
      names_ = StreamNames(view_);
      cursor_.reset();
    }
  }

  [[nodiscard]] Result<std::optional<log::Record>> next_of_cursor() {
    if (!cursor_) {
      cursor_tail_ = view_.info().tail;
      CAIRN_ASSIGN_OR_RETURN(cursor_, view_.read(options_));
    }
    return cursor_->next();
  }

  void print(const log::Record& record) {
    if (arguments_.json) {
      out_.line("{}", json_line(record_json(record, names_, arguments_.payload)));
      return;
    }
    out_.line("{}", record_text(record, names_));
    if (arguments_.payload && !record.payload.empty()) out_.line("    {}", hex(record.payload));
  }

  const DumpArguments& arguments_;
  log::LogView& view_;
  Output& out_;
  StreamNames names_;
  log::ReadOptions options_;
  std::optional<log::Cursor> cursor_;
  Lsn cursor_tail_;  // of the log when the cursor was made
};

}  // namespace

ExitCode run_dump(const DumpArguments& arguments, Output& out) {
  if (arguments.follow) catch_interrupts();
  const auto view = log::LogView::open(arguments.directory);
  if (!view.is_ok()) return report("dump", view.status());
  const Status status = Dump(arguments, **view, out).run();
  out.flush();
  return report("dump", status);
}

}  // namespace cairn::tools
