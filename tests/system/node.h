// Node: one transaction manager on its log, in the simulated machine; and another client of that
// log, who fills it.
#ifndef CAIRN_TESTS_SYSTEM_NODE_H_
#define CAIRN_TESTS_SYSTEM_NODE_H_

#include <memory>
#include <set>
#include <string>

#include <cairn/log.h>
#include <cairn/transaction_manager.h>

#include "system/stage.h"

namespace cairn::system_test {

// Small steps, so that a short run has many checkpoints, and copies of old records.
inline constexpr std::uint64_t kCheckpointBytes = 4096;

class Node {
 public:
  Node(Stage& stage, std::string name);

  // Opens log and manager, or makes them, and recovers. False: something failed; try again later.
  bool boot();
  // Writes what can be written, and ends. False: an error said so; it is down all the same.
  bool close();
  // The process is gone.
  void vanish();

  [[nodiscard]] bool up() const { return log_ != nullptr; }
  [[nodiscard]] bool online() const;
  // It was stopped by an error, or its log was; only a restart helps.
  [[nodiscard]] bool stuck() const;
  [[nodiscard]] tm::TransactionManager& tm() { return tm_; }
  // What it was called before it was renamed; null: it was not.
  [[nodiscard]] Uuid take_former_id() { return std::exchange(former_id_, Uuid{}); }
  // The next boot gives it a new identity.
  void rename_at_boot() { rename_ = true; }

  // The other client takes all the space that is left, or gives it back; or writes, and lets go of
  // what it wrote.
  bool fill();
  bool drain();
  bool grow();

  // A resource manager's records in this log. Null: not appended.
  [[nodiscard]] Lsn keep(const std::string& stream, const Uuid& transaction);
  // Those that are there.
  [[nodiscard]] std::set<Uuid> kept(const std::string& stream);
  void drop_kept(const std::string& stream);

  // T4 and T5, once everyone has answered everything: or empty.
  [[nodiscard]] std::string left_over();

 private:
  bool open_manager();
  bool recover();

  Stage& stage_;
  const std::string name_;
  std::shared_ptr<log::Log> log_;
  tm::TransactionManager tm_;
  Uuid id_{};
  Uuid former_id_{};
  bool rename_ = false;
  log::Reservation filling_;
};

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_NODE_H_
