// World: one simulated machine with all that runs on it, and what can happen to it.
//
// One or two transaction managers in one process, a bridge between them if there are two; three
// resource managers, each a process of its own; clients in the managers' process; sometimes a
// coordinator outside. Everything happens in one thread, one step at a time.
#ifndef CAIRN_TESTS_SYSTEM_WORLD_H_
#define CAIRN_TESTS_SYSTEM_WORLD_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <cairn/subordinate_bridge.h>

#include "system/node.h"
#include "system/sim_client.h"
#include "system/sim_rm.h"
#include "system/sim_superior.h"
#include "system/stage.h"

namespace cairn::system_test {

struct RunOptions {
  bool trace = false;
  sim::Lies lies{};  // of the disk: to see that it is noticed
};

class World {
 public:
  // What can happen, and how often. `happen` returns false if it could not now.
  struct Action {
    const char* name;
    unsigned weight;
    bool (World::*happen)();
    bool fault = false;
  };
  [[nodiscard]] static std::span<const Action> actions();

  World(std::uint64_t seed, Tally& tally, const RunOptions& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Faults that were armed strike; a machine that lost its power comes up again. After each action.
  void settle();
  // All faults end, everyone comes back and answers, until nothing is left to do; then T1 to T5.
  void heal_and_check();

  [[nodiscard]] Stage& stage() { return stage_; }
  // Of a hundred faults so many come. Where all do, few transactions get far.
  [[nodiscard]] unsigned storm() const { return storm_; }

 private:
  enum class Death { kPower, kProcess };

  // world_actions.cc
  bool begin();
  bool enlist();
  bool enlist_below();
  bool enlist_superior();
  bool commit();
  bool roll_back();
  bool look();
  bool change_timeout();
  bool drop_transaction();
  bool rm_fetches();
  bool rm_answers();
  bool rm_answers_again();
  bool rm_refuses();
  bool rm_leaves();
  bool rm_requests_outcome();
  bool rm_sets_information();
  bool rm_drops_reference();
  bool rm_hardens();
  bool rm_connects();
  bool rm_disconnects();
  bool rm_crashes();
  bool rm_is_fenced();
  bool superior_connects();
  bool superior_disconnects();
  bool superior_fetches();
  bool superior_orders();
  bool bridge_pumps();
  bool bridge_begins_anew();
  bool time_passes();
  bool managers_work();
  bool checkpoint();
  bool freeze();
  bool thaw();
  bool resolve();
  bool give_up();

  // world.cc
  bool fill_log();
  bool drain_log();
  bool grow_log();
  bool power_goes();
  bool process_dies();
  bool power_will_go();
  bool io_will_fail();
  bool disk_is_full();
  bool manager_restarts();
  bool manager_is_renamed();
  void die(Death death);
  void boot();
  [[nodiscard]] bool connect_bridge();

  bool work_off();  // everyone does all that can be done; whether there was anything
  void end_clients();
  void check_end();

  [[nodiscard]] Node& any_node() { return *nodes_[stage_.random.below(nodes_.size())]; }
  [[nodiscard]] SimRm& any_rm() { return *rms_[stage_.random.below(rms_.size())]; }
  [[nodiscard]] SimClient& any_client() { return clients_[stage_.random.below(clients_.size())]; }
  [[nodiscard]] Node& node_of(std::size_t rm) {
    return *nodes_[nodes_.size() == 2 && rm > 0 ? 1 : 0];
  }
  [[nodiscard]] std::size_t number_of(const SimRm& rm) const;

  Stage stage_;
  std::vector<std::unique_ptr<Node>> nodes_;  // upper, lower
  std::vector<std::unique_ptr<SimRm>> rms_;
  std::vector<SimClient> clients_;
  std::unique_ptr<SimSuperior> superior_;          // null: none in this seed
  std::unique_ptr<tm::SubordinateBridge> bridge_;  // null: not there now
  const sim::Lies lies_;
  unsigned storm_ = 0;
  bool faults_ = true;  // further ones may come
  bool armed_ = false;  // one may strike yet
};

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_WORLD_H_
