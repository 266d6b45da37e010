// XaHeuristics: what a resource manager decided by itself, kept in a stream of a log.
//
// All of it lies in the stream's restart area, which is written again when there is more, and when
// it holds the log's tail back. The stream is made with the first outcome:
//   "XAH1", count (4), and for each: unit of work (16), decided (1), code (2); integers are little
//   endian.
#ifndef CAIRN_RM_XA_XA_HEURISTICS_H_
#define CAIRN_RM_XA_XA_HEURISTICS_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/rm_xa.h>

namespace cairn::rm {

inline constexpr std::size_t kMaxHeuristics = 1000;  // in one stream

// Whether `code` is what was decided.
[[nodiscard]] bool agrees(tm::Outcome decided, int code);
[[nodiscard]] std::vector<std::byte> encode_heuristics(std::span<const XaHeuristic> all);
// Error: kCorrupt.
[[nodiscard]] Result<std::vector<XaHeuristic>> decode_heuristics(std::span<const std::byte> bytes);

// Thread-safe. The log outlives it.
class XaHeuristics {
 public:
  XaHeuristics(std::shared_ptr<log::Log> log, const Uuid& id);
  ~XaHeuristics();
  XaHeuristics(const XaHeuristics&) = delete;
  XaHeuristics& operator=(const XaHeuristics&) = delete;

  // Called first, once.
  [[nodiscard]] Status read();
  // Durable on return. What is there already, as of a call whose end a crash took, is not added
  // again: false. Error: kResourceExhausted (kMaxHeuristics: clear()), and those of the log.
  [[nodiscard]] Result<bool> add(const XaHeuristic& heuristic);
  [[nodiscard]] Status clear();
  [[nodiscard]] std::vector<XaHeuristic> all() const;

 private:
  [[nodiscard]] Status write(std::span<const XaHeuristic> all);
  [[nodiscard]] Status make_room();

  std::shared_ptr<log::Log> log_;
  std::string name_;
  mutable std::mutex mutex_;  // guards the rest
  log::Stream stream_;
  bool is_made_ = false;
  std::vector<XaHeuristic> all_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_XA_XA_HEURISTICS_H_
