#include "xa_heuristics.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace cairn::rm {
namespace {

constexpr char kHeuristicsMagic[] = {'X', 'A', 'H', '1'};
constexpr std::size_t kHeuristicsHeader = sizeof kHeuristicsMagic + 4;
constexpr std::size_t kHeuristicSize = 16 + 1 + 2;

Status heuristics_corrupt(const std::string& what) {
  return Status(StatusCode::kCorrupt, "heuristic outcomes of an XA resource manager: " + what);
}

}  // namespace

bool agrees(tm::Outcome decided, int code) {
  const bool rolled_back =
      code == XA_HEURRB || code == XAER_RMERR || (code >= XA_RBBASE && code <= XA_RBEND);
  return (decided == tm::Outcome::kCommitted && code == XA_HEURCOM) ||
         (decided == tm::Outcome::kAborted && rolled_back);
}

std::vector<std::byte> encode_heuristics(std::span<const XaHeuristic> all) {
  std::vector<std::byte> bytes;
  for (const char letter : kHeuristicsMagic) bytes.push_back(static_cast<std::byte>(letter));
  for (unsigned shift = 0; shift < 32; shift += 8) {
    bytes.push_back(static_cast<std::byte>(all.size() >> shift));
  }
  for (const XaHeuristic& one : all) {
    for (const std::uint8_t byte : one.transaction.bytes) bytes.push_back(std::byte{byte});
    bytes.push_back(static_cast<std::byte>(one.decided));
    const auto code = static_cast<std::uint16_t>(static_cast<std::int16_t>(one.code));
    bytes.push_back(static_cast<std::byte>(code & 0xFFU));
    bytes.push_back(static_cast<std::byte>(code >> 8U));
  }
  return bytes;
}

Result<std::vector<XaHeuristic>> decode_heuristics(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeuristicsHeader ||
      std::memcmp(bytes.data(), kHeuristicsMagic, sizeof kHeuristicsMagic) != 0) {
    return heuristics_corrupt("expected the magic XAH1 and a count, found " +
                              std::to_string(bytes.size()) + " other bytes");
  }
  std::uint32_t count = 0;
  for (std::size_t i = kHeuristicsHeader; i-- > sizeof kHeuristicsMagic;) {
    count = count << 8U | std::to_integer<std::uint32_t>(bytes[i]);
  }
  if (count > kMaxHeuristics || bytes.size() != kHeuristicsHeader + count * kHeuristicSize) {
    return heuristics_corrupt("expected " + std::to_string(count) + " of them, found " +
                              std::to_string(bytes.size()) + " bytes");
  }
  std::vector<XaHeuristic> all;
  for (std::size_t at = kHeuristicsHeader; at < bytes.size(); at += kHeuristicSize) {
    XaHeuristic one;
    std::memcpy(one.transaction.bytes.data(), bytes.data() + at, 16);
    const auto decided = std::to_integer<std::uint8_t>(bytes[at + 16]);
    if (decided < static_cast<std::uint8_t>(tm::Outcome::kUndetermined) ||
        decided > static_cast<std::uint8_t>(tm::Outcome::kAborted)) {
      return heuristics_corrupt("expected an outcome, found " + std::to_string(decided));
    }
    one.decided = tm::Outcome{decided};
    const auto code = static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at + 17]) |
                                                 std::to_integer<unsigned>(bytes[at + 18]) << 8U);
    one.code = static_cast<std::int16_t>(code);
    one.agrees = agrees(one.decided, one.code);
    all.push_back(one);
  }
  return all;
}

XaHeuristics::XaHeuristics(std::shared_ptr<log::Log> log, const Uuid& id)
    : log_(std::move(log)), name_("xa:" + id.to_string()) {}

XaHeuristics::~XaHeuristics() {
  if (is_made_) static_cast<void>(stream_.on_advance_request({}));
}

Status XaHeuristics::read() {
  const std::lock_guard lock(mutex_);
  Result<log::Stream> stream = log_->open_stream(name_);
  if (stream.code() == StatusCode::kNotFound) return Status::ok();
  CAIRN_RETURN_IF_ERROR(stream.status());
  stream_ = *stream;
  const Result<log::RestartArea> area = stream_.read_restart_area();
  if (area.code() == StatusCode::kNoRestartArea) return Status::ok();  // a crash was between
  CAIRN_RETURN_IF_ERROR(area.status());
  Result<std::vector<XaHeuristic>> all = decode_heuristics(area->data);
  if (!all) return all.status().with_context("stream " + name_ + ", LSN " + area->lsn.to_string());
  all_ = *std::move(all);
  is_made_ = true;
  return make_room();
}

Result<bool> XaHeuristics::add(const XaHeuristic& heuristic) {
  const std::lock_guard lock(mutex_);
  const bool is_known = std::any_of(all_.begin(), all_.end(), [&](const XaHeuristic& known) {
    return known.transaction == heuristic.transaction && known.code == heuristic.code;
  });
  if (is_known) return false;
  if (all_.size() >= kMaxHeuristics) {
    return Status(StatusCode::kResourceExhausted, "stream " + name_ + " holds " +
                                                      std::to_string(kMaxHeuristics) +
                                                      " heuristic outcomes: clear them");
  }
  std::vector<XaHeuristic> more = all_;
  more.push_back(heuristic);
  CAIRN_RETURN_IF_ERROR(write(more));
  all_ = std::move(more);
  return true;
}

Status XaHeuristics::clear() {
  const std::lock_guard lock(mutex_);
  if (!is_made_) return Status::ok();
  CAIRN_RETURN_IF_ERROR(write({}));
  all_.clear();
  return Status::ok();
}

std::vector<XaHeuristic> XaHeuristics::all() const {
  const std::lock_guard lock(mutex_);
  return all_;
}

Status XaHeuristics::write(std::span<const XaHeuristic> all) {
  if (!is_made_) {
    CAIRN_ASSIGN_OR_RETURN(stream_, log_->open_or_create_stream(name_));
    is_made_ = true;
    CAIRN_RETURN_IF_ERROR(make_room());
  }
  return stream_.write_restart_area(encode_heuristics(all), Lsn::invalid()).status();
}

// Writes the restart area again when it pins the log's tail, and gives up the one before.
Status XaHeuristics::make_room() {
  return stream_.on_advance_request([this](const log::AdvanceRequest&) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return;  // it is being written; asked again
    const auto written = stream_.write_restart_area(encode_heuristics(all_), Lsn::invalid());
    if (written) static_cast<void>(stream_.advance_base(*written));
  });
}

}  // namespace cairn::rm
