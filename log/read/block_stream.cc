#include "read/block_stream.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

namespace cairn::log {
namespace {

// Large enough that the device is busy with bytes, not with requests.
constexpr std::uint64_t kLargestPiece = std::uint64_t{1} << 20;

}  // namespace

std::uint64_t BlockStream::piece_size(const format::LogGeometry& geometry) {
  // Of a small container not more than a block can be of it: most of what is read ahead of a log's
  // end is of no use. A block lies in two pieces at most.
  return std::min(kLargestPiece, geometry.container_size / 16);
}

std::unique_ptr<BlockStream> BlockStream::start(ReadSource& source, Lsn start, Lsn limit) {
  if (!source.take_stream()) return nullptr;
  std::unique_ptr<BlockStream> stream;
  try {
    stream.reset(new BlockStream(source, start, limit));
  } catch (const std::bad_alloc&) {
    source.give_stream_back();
    return nullptr;
  }
  // One more than there are reads at once: another checks meanwhile.
  try {
    while (stream->threads_.size() <= source.directory().read_depth()) {
      stream->threads_.emplace_back([raw = stream.get()] { raw->work(); });
    }
  } catch (const std::system_error&) {
    // One thread is enough to go on; without any the reader reads himself.
    if (stream->threads_.empty()) return nullptr;
  }
  return stream;
}

BlockStream::BlockStream(ReadSource& source, Lsn start, Lsn limit)
    : source_(&source),
      piece_size_(piece_size(source.geometry())),
      first_piece_(piece_of(start)),
      head_room_(source.geometry().block_size),
      buffer_(head_room_ + kPieces * piece_size_),
      end_(limit),
      next_fetch_(first_piece_),
      released_(first_piece_),
      loaded_(first_piece_),
      arrived_(kPieces),
      check_at_(start),
      needed_(sizeof(format::BlockHeader)) {}

BlockStream::~BlockStream() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  source_->give_stream_back();
}

std::optional<CheckedBlock> BlockStream::next(Lsn lsn) {
  if (taken_ == batch_.size()) {
    Lock lock(mutex_);
    if (!batch_.empty()) {
      const format::BlockHeader& last = batch_.back().header;
      released_ = piece_of(Lsn(last.lsn) + last.padded_length);
      work_.notify_one();
    }
    ready_.wait(lock, [this] { return ended_ || !batches_.empty(); });
    batch_.clear();
    taken_ = 0;
    if (batches_.empty()) return std::nullopt;
    batch_ = std::move(batches_.front());
    batches_.pop_front();
  }
  const CheckedBlock& block = batch_[taken_];
  if (block.header.lsn != lsn.value()) return std::nullopt;
  ++taken_;
  return block;
}

void BlockStream::work() {
  Lock lock(mutex_);
  while (!stopping_) {
    if (can_check()) {
      check(lock);
    } else if (can_fetch()) {
      fetch(lock);
    } else {
      work_.wait(lock);
    }
  }
}

// The longer a reader stays, the more is read ahead for him.
bool BlockStream::can_fetch() const {
  const std::uint64_t ahead = std::min(kPieces, kLeastAhead + (released_ - first_piece_));
  return !ended_ && next_fetch_ < released_ + ahead && Lsn(next_fetch_ * piece_size_) < end_;
}

void BlockStream::fetch(Lock& lock) {
  const std::uint64_t piece = next_fetch_++;
  if (can_fetch()) work_.notify_one();
  lock.unlock();
  const Lsn begin(piece * piece_size_);
  const std::uint64_t size = source_->geometry().container_size;
  std::size_t bytes = 0;
  if (const auto container = source_->container(begin.container(size)); container.is_ok()) {
    const auto got =
        (*container)->file->read(begin.offset(size), std::span(place_of(piece), piece_size_));
    if (got.is_ok()) bytes = *got;
  }
  lock.lock();
  arrived(piece, bytes);
}

void BlockStream::arrived(std::uint64_t piece, std::size_t bytes) {
  if (bytes < piece_size_) end_ = std::min(end_, Lsn(piece * piece_size_) + bytes);
  arrived_[piece % kPieces] = true;
  while (loaded_ < next_fetch_ && arrived_[loaded_ % kPieces]) {
    arrived_[loaded_ % kPieces] = false;
    ++loaded_;
  }
}

bool BlockStream::can_check() const {
  if (checking_ || ended_) return false;
  const Lsn need = check_at_ + needed_;
  return need <= Lsn(loaded_ * piece_size_) || need > end_;
}

void BlockStream::check(Lock& lock) {
  checking_ = true;
  const Lsn loaded = std::min(Lsn(loaded_ * piece_size_), end_);
  bool more = check_at_ + needed_ <= end_;
  lock.unlock();

  Batch batch;
  const std::uint64_t piece = piece_of(check_at_);
  for (Step step = more ? Step::kGoOn : Step::kEnd; step == Step::kGoOn;) {
    if (piece_of(check_at_) != piece && !batch.empty()) break;
    step = check_block(loaded, &batch);
    more = step != Step::kEnd;
  }

  lock.lock();
  checking_ = false;
  ended_ = !more;
  if (!batch.empty()) batches_.push_back(std::move(batch));
  if (ended_ || !batches_.empty()) ready_.notify_one();
}

BlockStream::Step BlockStream::check_block(Lsn loaded, Batch* batch) {
  const format::LogGeometry& geometry = source_->geometry();
  if (check_at_ + needed_ > loaded) return Step::kWait;
  const std::uint64_t number = check_at_.container(geometry.container_size);
  if (container_ == nullptr || number != container_number_) {
    const auto entered = source_->container(number);
    if (!entered.is_ok()) return Step::kEnd;
    container_ = *entered;
    container_number_ = number;
  }
  CheckedBlock block;
  if (format::check_block_header(ring_bytes(check_at_, sizeof block.header), check_at_, geometry,
                                 &container_->identity, &block.header)) {
    return Step::kEnd;
  }
  needed_ = block.header.padded_length;
  if (check_at_ + needed_ > loaded) return Step::kWait;
  block.bytes = ring_bytes(check_at_, needed_);
  if (format::check_block(block.bytes, check_at_, geometry, &container_->identity, &block.header)) {
    return Step::kEnd;
  }
  batch->push_back(block);
  needed_ = sizeof(format::BlockHeader);
  return step_behind(block.header) ? Step::kGoOn : Step::kEnd;
}

bool BlockStream::step_behind(const format::BlockHeader& header) {
  const Lsn at(header.lsn);
  switch (static_cast<format::BlockKind>(header.kind)) {
    case format::BlockKind::kContainerHeader:
    case format::BlockKind::kData:
      check_at_ = at + header.padded_length;
      return true;
    case format::BlockKind::kEpoch:
      check_at_ = Lsn(header.continue_lsn);
      break;
    case format::BlockKind::kSeal: {
      const auto entered = source_->container(container_number_ + 1);
      if (!entered.is_ok()) return false;
      check_at_ = Lsn((*entered)->content.first_block);
      break;
    }
  }
  // Across a long gap there is nothing to read in sequence; and what lies that far ahead is not
  // fetched before the reader comes closer.
  return piece_of(check_at_) + 2 <= piece_of(at) + kLeastAhead;
}

std::span<const std::byte> BlockStream::ring_bytes(Lsn lsn, std::size_t length) {
  const std::uint64_t piece = piece_of(lsn);
  std::byte* const from = place_of(piece) + lsn.value() % piece_size_;
  std::byte* const ring_begin = buffer_.data() + head_room_;
  const auto before_wrap = static_cast<std::size_t>(ring_begin + kPieces * piece_size_ - from);
  if (length <= before_wrap) return {from, length};
  // The pieces up to this one are kept for the reader of this block or of an older one, so nobody
  // looks at what a block of the ring's last round left in the head room.
  std::memcpy(ring_begin - before_wrap, from, before_wrap);
  return {ring_begin - before_wrap, length};
}

}  // namespace cairn::log
