// World, what its people do.
#include <array>

#include "system/world.h"

namespace cairn::system_test {

std::span<const World::Action> World::actions() {
  // clang-format off
  static constexpr auto kActions = std::to_array<Action>({
      {"begin", 50, &World::begin},
      {"enlist", 120, &World::enlist},
      {"enlist below", 60, &World::enlist_below},
      {"enlist superior", 40, &World::enlist_superior},
      {"commit", 30, &World::commit},
      {"roll back", 2, &World::roll_back},
      {"look", 10, &World::look},
      {"change timeout", 2, &World::change_timeout},
      {"drop transaction", 2, &World::drop_transaction},
      {"rm fetches", 300, &World::rm_fetches},
      {"rm answers", 260, &World::rm_answers},
      {"rm answers again", 10, &World::rm_answers_again},
      {"rm refuses", 3, &World::rm_refuses},
      {"rm leaves", 4, &World::rm_leaves},
      {"rm requests outcome", 12, &World::rm_requests_outcome},
      {"rm sets information", 8, &World::rm_sets_information},
      {"rm drops reference", 2, &World::rm_drops_reference},
      {"rm hardens", 5, &World::rm_hardens},
      {"rm connects", 70, &World::rm_connects},
      {"rm disconnects", 4, &World::rm_disconnects, true},
      {"rm crashes", 4, &World::rm_crashes, true},
      {"rm is fenced", 2, &World::rm_is_fenced, true},
      {"superior connects", 30, &World::superior_connects},
      {"superior disconnects", 5, &World::superior_disconnects, true},
      {"superior fetches", 120, &World::superior_fetches},
      {"superior orders", 60, &World::superior_orders},
      {"bridge pumps", 160, &World::bridge_pumps},
      {"bridge begins anew", 2, &World::bridge_begins_anew, true},
      {"time passes", 5, &World::time_passes},
      {"managers work", 50, &World::managers_work},
      {"checkpoint", 8, &World::checkpoint},
      {"freeze", 2, &World::freeze, true},
      {"thaw", 12, &World::thaw},
      {"resolve by hand", 8, &World::resolve},
      {"give up by hand", 12, &World::give_up},
      {"fill log", 1, &World::fill_log, true},
      {"drain log", 15, &World::drain_log},
      {"grow log", 1, &World::grow_log},
      {"power goes", 2, &World::power_goes, true},
      {"process dies", 1, &World::process_dies, true},
      {"power will go", 3, &World::power_will_go, true},
      {"I/O will fail", 3, &World::io_will_fail, true},
      {"disk is full", 1, &World::disk_is_full, true},
      {"manager restarts", 1, &World::manager_restarts, true},
      {"manager is renamed", 1, &World::manager_is_renamed, true},
  });
  // clang-format on
  return kActions;
}

std::size_t World::number_of(const SimRm& rm) const {
  std::size_t number = 0;
  while (rms_[number].get() != &rm) ++number;
  return number;
}

// --- clients ---

// With some who take part at once.
bool World::begin() {
  SimClient& client = any_client();
  if (!client.begin(*nodes_[0])) return false;
  if (!client.busy()) return true;
  for (std::size_t i = 0; i < rms_.size() && !stage_.dead(); ++i) {
    if (&node_of(i) == nodes_[0].get() && stage_.random.chance(50)) {
      rms_[i]->enlist(client.transaction());
    }
  }
  return true;
}

bool World::enlist() {
  SimClient& client = any_client();
  if (!client.busy()) return false;
  if (client.asked() && !stage_.random.chance(10)) return false;  // mostly too late
  const std::size_t number = stage_.random.below(rms_.size());
  const bool below = &node_of(number) != nodes_[0].get();
  const tm::Transaction& transaction = below ? client.branch() : client.transaction();
  return !transaction.id().is_null() && rms_[number]->enlist(transaction);
}

bool World::enlist_below() {
  SimClient& client = any_client();
  if (bridge_ == nullptr || !client.busy() || !client.branch().id().is_null()) return false;
  const auto branch = bridge_->enlist(client.transaction());
  if (!stage_.dead() && branch.code() == StatusCode::kObjectExpired) return true;
  if (stage_.allowed("a client goes below", branch.status(),
                     {StatusCode::kNotOnline, StatusCode::kNotActive, StatusCode::kMustWriteThrough,
                      StatusCode::kFenced})) {
    stage_.model.add_branch(branch->id(), client.transaction().id());
    stage_.say("its branch is " + branch->id().to_string());
    client.set_branch(*branch);
  }
  return true;
}

bool World::enlist_superior() {
  SimClient& client = any_client();
  if (superior_ == nullptr || !client.busy() || client.asked()) return false;
  // A second one is refused.
  const bool owned = stage_.model.of(client.transaction().id()).owned;
  return !(owned && !stage_.random.chance(10)) && superior_->enlist(client.transaction());
}

// Most wait until someone takes part.
bool World::commit() {
  SimClient& client = any_client();
  if (!client.busy()) return false;
  const auto information = client.transaction().information();
  const bool empty = information && information->enlistments.empty();
  return !(empty && stage_.random.chance(90)) && client.commit();
}
bool World::roll_back() { return any_client().roll_back(); }
bool World::look() { return any_client().look(); }
bool World::change_timeout() { return any_client().change_timeout(); }

bool World::drop_transaction() {
  SimClient& client = any_client();
  return client.drop();
}

// --- resource managers ---

bool World::rm_fetches() { return any_rm().fetch(); }
bool World::rm_answers() { return any_rm().answer(); }
bool World::rm_answers_again() { return any_rm().answer_again(); }
bool World::rm_refuses() { return any_rm().refuse(); }
bool World::rm_leaves() { return any_rm().leave(); }
bool World::rm_requests_outcome() { return any_rm().request_outcome(); }
bool World::rm_sets_information() { return any_rm().set_information(); }
bool World::rm_drops_reference() { return any_rm().drop_one(); }
bool World::rm_hardens() { return any_rm().harden(); }
bool World::rm_connects() {
  const std::size_t number = stage_.random.below(rms_.size());
  return rms_[number]->connect(node_of(number));
}
bool World::rm_disconnects() { return any_rm().disconnect(); }
bool World::rm_crashes() {
  SimRm& rm = any_rm();
  return rm.connected() && rm.crash();
}
bool World::rm_is_fenced() {
  const std::size_t number = stage_.random.below(rms_.size());
  return rms_[number]->fence(node_of(number));
}

// --- above and below ---

bool World::superior_connects() { return superior_ != nullptr && superior_->connect(*nodes_[0]); }
bool World::superior_disconnects() { return superior_ != nullptr && superior_->disconnect(); }
bool World::superior_fetches() { return superior_ != nullptr && superior_->fetch(); }
bool World::superior_orders() { return superior_ != nullptr && superior_->order(); }

bool World::bridge_pumps() {
  if (bridge_ == nullptr) return false;
  const auto pumped = bridge_->pump();
  stage_.allowed("the bridge pumps", pumped.status(), {});
  return pumped && *pumped;
}

bool World::bridge_begins_anew() {
  if (nodes_.size() < 2) return false;
  stage_.say("the bridge goes");
  bridge_ = nullptr;
  return stage_.dead() || connect_bridge();
}

// --- the managers themselves ---

bool World::time_passes() {
  stage_.now += std::chrono::milliseconds(1 + stage_.random.below(60));
  return true;
}

bool World::managers_work() {
  Node& node = any_node();
  if (!node.up()) return false;
  stage_.allowed("a manager works", node.tm().run_background(),
                 {StatusCode::kPoisoned, StatusCode::kLogFull, StatusCode::kIndeterminate,
                  StatusCode::kIoError, StatusCode::kNoSpace});
  return true;
}

bool World::checkpoint() {
  Node& node = any_node();
  if (!node.up() || !node.online()) return false;
  stage_.allowed("a manager writes a checkpoint", node.tm().checkpoint(),
                 {StatusCode::kPoisoned, StatusCode::kLogFull, StatusCode::kIndeterminate,
                  StatusCode::kIoError, StatusCode::kNoSpace, StatusCode::kNotOnline});
  return true;
}

bool World::freeze() {
  Node& node = any_node();
  if (!node.up() || !node.online()) return false;
  // A limit of real time that no run reaches: what is in flight is driven to its end.
  stage_.allowed("a manager is frozen",
                 node.tm().freeze(std::chrono::hours(1), std::chrono::milliseconds(50)),
                 {StatusCode::kRequestNotValid});
  return true;
}

bool World::thaw() {
  Node& node = any_node();
  if (!node.up() || !node.online()) return false;
  const Status thawed = node.tm().thaw();
  if (thawed.code() == StatusCode::kRequestNotValid) return false;
  stage_.allowed("a manager is thawed", thawed, {});
  return true;
}

bool World::resolve() {
  if (superior_ == nullptr || !nodes_[0]->up() || !nodes_[0]->online()) return false;
  const auto live = nodes_[0]->tm().transactions();
  if (!live || live->empty()) return false;
  const Uuid id = (*live)[stage_.random.below(live->size())];
  Facts& facts = stage_.model.of(id);
  if (!facts.owned) return false;
  const auto transaction = nodes_[0]->tm().open_transaction(id);
  const auto information = transaction ? transaction->information()
                                       : Result<tm::TransactionInformation>(transaction.status());
  if (!information || (information->state != tm::TransactionState::kPrepared &&
                       information->state != tm::TransactionState::kInDoubt)) {
    return false;
  }
  // A rollback that the superior ordered is not forced: a crash can bring the promise back. Who
  // acts by hand then asks first what others were told, and does not contradict it.
  const bool either = stage_.random.chance(50);
  const bool commits = facts.ending == Ending::kOpen ? either : facts.ending == Ending::kCommitted;
  const bool before = std::exchange(facts.by_hand, true);
  const Status status = nodes_[0]->tm().resolve(
      id, commits ? tm::Outcome::kCommitted : tm::Outcome::kAborted, {"simulation", "by chance"});
  const bool done =
      stage_.allowed("an administrator resolves " + id.to_string(), status,
                     {StatusCode::kRequestNotValid, StatusCode::kLogFull, StatusCode::kPoisoned,
                      StatusCode::kOutcomeUnknown, StatusCode::kIndeterminate,
                      StatusCode::kObjectExpired, StatusCode::kAlreadyAborted});
  if (done) {
    stage_.model.tell(id, commits ? Ending::kCommitted : Ending::kAborted, "an administrator");
  } else if (!stage_.dead() && (status.code() == StatusCode::kRequestNotValid ||
                                status.code() == StatusCode::kLogFull)) {
    facts.by_hand = before;
  }
  return true;
}

// On one that is away, of whatever it has not answered.
bool World::give_up() {
  Node& node = any_node();
  if (!node.up() || !node.online()) return false;
  const auto live = node.tm().transactions();
  const SimRm& rm = any_rm();
  if (!live || rm.connected()) return false;
  for (const Uuid& transaction : *live) {
    const Status status = node.tm().give_up(transaction, rm.id(), {"simulation", "by chance"});
    if (status.code() == StatusCode::kNotFound) continue;
    if (stage_.allowed("an administrator gives up", status,
                       {StatusCode::kRequestNotValid, StatusCode::kLogFull, StatusCode::kPoisoned,
                        StatusCode::kIndeterminate, StatusCode::kIoError, StatusCode::kNoSpace,
                        StatusCode::kNotOnline, StatusCode::kResourceExhausted})) {
      return true;
    }
  }
  return stage_.dead();
}

}  // namespace cairn::system_test
