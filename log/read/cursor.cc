#include <utility>

#include <cairn/cursor.h>

#include "read/read_source.h"
#include "read/walk.h"

namespace cairn::log {

Cursor::Cursor(std::unique_ptr<Walk> walk) : walk_(std::move(walk)) {}
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;
Cursor::~Cursor() = default;

Result<std::optional<Record>> Cursor::next() {
  if (walk_ == nullptr) return Status(StatusCode::kInvalidState, "the cursor was moved from");
  return walk_->next();
}

Result<Cursor> ReadSource::make_cursor(ReadOptions options, ReadHorizon* horizon) {
  const auto bad = [&](const char* expected) {
    StatusDetail detail;
    detail.lsn_begin = options.start;
    return Status(StatusCode::kLsnInvalid,
                  std::string("cursor start: expected ") + expected + ", found LSN " +
                      options.start.to_string(),
                  detail);
  };
  if (options.start.is_invalid()) return bad("an LSN");
  switch (options.order) {
    case ReadOrder::kForward:
      return Cursor(std::make_unique<ForwardWalk>(*this, *horizon, std::move(options)));
    case ReadOrder::kBackward:
      return Cursor(std::make_unique<BackwardWalk>(*this, *horizon, std::move(options)));
    case ReadOrder::kPrevious:
    case ReadOrder::kUndoNext:
      break;
  }
  if (!options.start.is_valid()) return bad("the LSN of a record");
  return Cursor(std::make_unique<ChainWalk>(*this, *horizon, std::move(options)));
}

}  // namespace cairn::log
