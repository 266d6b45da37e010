// AppendKnowledge: what a parent knows of the records that its children appended from several
// threads, each to a stream of its own, and whether a log keeps what was promised of them.
#ifndef CAIRN_TORTURE_APPEND_KNOWLEDGE_H_
#define CAIRN_TORTURE_APPEND_KNOWLEDGE_H_

#include <array>
#include <cstdint>
#include <map>

#include <cairn/log.h>

namespace cairn::torture {

// For one thread. A value: a forked child has it as of the fork.
class AppendKnowledge {
 public:
  static constexpr std::uint32_t kThreads = 4;

  // A child was told that this record is durable. Error: kCorrupt (I8, in words).
  [[nodiscard]] Status acknowledged(std::uint32_t stream, std::uint64_t sequence, Lsn lsn);
  // A child is about to give up all of the stream before this LSN.
  void moving_base(std::uint32_t stream, Lsn to);
  // LSNs before this one are never given again: the log's end at a recovery.
  void ended_at(Lsn end) { former_end_ = end; }

  // I1 to I4 of an open log that nobody appends to. Error: kCorrupt, or what kept it from reading.
  [[nodiscard]] Status check(log::Log& log) const;
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  [[nodiscard]] Status check_stream(log::Log& log, std::uint32_t number) const;

  std::array<std::map<Lsn, std::uint64_t>, kThreads> acknowledged_;  // LSN -> sequence
  std::array<Lsn, kThreads> moving_;
  Lsn former_end_;
  std::uint64_t count_ = 0;
};

// The records of a stream that children appended to: each true, none missing between two of them.
// LSN -> sequence. Error: kCorrupt (I2, I3).
[[nodiscard]] Result<std::map<Lsn, std::uint64_t>> read_appended(log::Cursor cursor,
                                                                 std::uint32_t number);

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_APPEND_KNOWLEDGE_H_
