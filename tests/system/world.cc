// World, its beginning, its end, and what breaks in between.
#include "system/world.h"

#include <utility>

#include "system/seeded_uuid.h"

namespace cairn::system_test {
namespace {

Uuid bridge_id() {
  Uuid id;
  id.bytes[0] = 0x62;
  return id;
}

SimRm::Habit any_habit(sim::Random& random) {
  const std::uint64_t dice = random.below(100);
  if (dice < 20) return SimRm::Habit::kVolatile;
  return dice < 42 ? SimRm::Habit::kManagerLog : SimRm::Habit::kOwnDisk;
}

}  // namespace

World::World(std::uint64_t seed, Tally& tally, const RunOptions& options)
    : stage_(seed, tally, options.trace), lies_(options.lies) {
  seed_identities(seed);
  stage_.storage = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = stage_.random.next()});
  const bool bridged = stage_.random.chance(25);
  nodes_.push_back(std::make_unique<Node>(stage_, "upper"));
  if (bridged) nodes_.push_back(std::make_unique<Node>(stage_, "lower"));
  for (std::size_t i = 0; i < 3; ++i) {
    rms_.push_back(std::make_unique<SimRm>(stage_, i, any_habit(stage_.random)));
  }
  for (int i = 0; i < 3; ++i) clients_.emplace_back(stage_);
  if (stage_.random.chance(40)) superior_ = std::make_unique<SimSuperior>(stage_);
  static constexpr unsigned kStorms[] = {4, 15, 40, 100};
  storm_ = kStorms[stage_.random.below(4)];
  boot();
}

World::~World() {
  clients_.clear();
  bridge_ = nullptr;
}

// --- up and down ---

void World::boot() {
  stage_.storage->set_lies(lies_);
  for (const auto& node : nodes_) {
    if (stage_.dead() || node->up()) continue;
    if (!node->boot()) continue;
    const Uuid former = node->take_former_id();
    if (former.is_null()) continue;
    for (const auto& rm : rms_) rm->adopt(former, node->tm().id());
  }
  if (nodes_.size() == 2 && bridge_ == nullptr && !stage_.dead()) {
    static_cast<void>(connect_bridge());
  }
}

bool World::connect_bridge() {
  if (!nodes_[0]->up() || !nodes_[1]->up()) return false;
  if (bridge_ == nullptr) {
    tm::BridgeOptions options;
    options.id = bridge_id();
    options.upper = nodes_[0]->tm();
    options.lower = nodes_[1]->tm();
    options.background = tm::Background::kManual;
    options.single_phase = stage_.random.chance(50);
    auto made = tm::SubordinateBridge::create(options);
    if (!stage_.allowed("a bridge is made", made.status(), {})) return false;
    bridge_ = std::move(*made);
  }
  stage_.allowed("the bridge recovers", bridge_->recover(),
                 {StatusCode::kNotOnline, StatusCode::kObjectExpired});
  return true;
}

// Everything in the managers' process is gone; the resource managers live on, or not.
void World::die(Death death) {
  const bool power = death == Death::kPower || stage_.dead();
  stage_.tally.add(power ? "power cuts" : "killed processes");
  stage_.say(power ? "THE POWER GOES" : "THE PROCESS DIES");
  const std::uint64_t seed = stage_.random.next();
  std::shared_ptr<sim::SimStorage> next;
  if (power) {
    const bool nothing = stage_.random.chance(20);
    next = stage_.storage->after_crash(nothing ? sim::survive_none() : sim::survive_random(seed),
                                       seed);
  } else {
    // The kernel brings to its end what was under way, and forgets nothing.
    next = stage_.storage->after_crash(sim::survive_all(), seed);
  }
  // So that nothing which the old process still does is ever seen.
  stage_.storage->crash();
  for (SimClient& client : clients_) client.forget();
  for (const auto& rm : rms_) rm->manager_gone(stage_.random.chance(40));
  if (superior_ != nullptr) superior_->manager_gone();
  bridge_ = nullptr;
  for (const auto& node : nodes_) node->vanish();
  stage_.storage = std::move(next);
  armed_ = false;
}

void World::settle() {
  for (int tries = 0; tries < 4; ++tries) {
    if (stage_.dead()) {
      die(Death::kPower);
      if (faults_ && stage_.random.chance(15)) {  // and again, while it comes up
        stage_.storage->crash_at(1 + stage_.random.below(20));
        armed_ = true;
      }
    }
    bool down = false;
    for (const auto& node : nodes_) down = down || !node->up();
    if (!down && !stage_.dead()) return;
    if (!stage_.dead()) boot();
    if (tries > 0 && !stage_.dead()) stage_.storage->set_capacity(~std::uint64_t{0});
  }
  if (stage_.dead()) settle();
}

// --- faults ---

bool World::fill_log() { return any_node().fill(); }
bool World::drain_log() { return any_node().drain(); }
bool World::grow_log() { return any_node().grow(); }

bool World::power_goes() {
  die(Death::kPower);
  return true;
}

bool World::process_dies() {
  die(Death::kProcess);
  return true;
}

bool World::power_will_go() {
  stage_.storage->crash_at(stage_.storage->io_count() + 1 + stage_.random.below(12));
  armed_ = true;
  stage_.say("the power will go");
  return true;
}

bool World::io_will_fail() {
  sim::Fault fault;
  const std::uint64_t dice = stage_.random.below(10);
  if (dice < 3) fault.kind = sim::FaultKind::kNoSpace;
  if (dice >= 8) {
    fault.kind = sim::FaultKind::kShortWrite;
    fault.on = sim::IoKind::kCompleteWrite;
  }
  fault.nth = 1 + stage_.random.below(8);
  armed_ = true;
  stage_.storage->inject(fault);
  stage_.tally.add("I/O errors armed");
  stage_.say("an I/O will fail");
  return true;
}

bool World::disk_is_full() {
  stage_.storage->set_capacity(stage_.random.chance(50) ? 0 : ~std::uint64_t{0});
  armed_ = true;
  stage_.say("the disk is full, or no longer");
  return true;
}

// A manager that is stuck, at once; another one now and then, in peace.
bool World::manager_restarts() {
  Node& node = any_node();
  if (!node.up()) return false;
  stage_.say("a manager restarts");
  if (node.stuck() && stage_.random.chance(50)) {
    die(Death::kProcess);
    return true;
  }
  for (std::size_t i = 0; i < rms_.size(); ++i) {
    if (&node_of(i) == &node) rms_[i]->disconnect();
  }
  if (&node == nodes_[0].get()) {
    if (superior_ != nullptr) superior_->disconnect();
  }
  for (SimClient& client : clients_) client.forget();
  bridge_ = nullptr;
  if (stage_.dead()) return true;
  node.close();
  for (std::size_t i = 0; i < rms_.size(); ++i) {
    if (&node_of(i) == &node) rms_[i]->manager_gone(false);
  }
  return true;
}

bool World::manager_is_renamed() {
  // With a bridge the other side would keep the old name.
  if (nodes_.size() == 2) return false;
  nodes_[0]->rename_at_boot();
  die(Death::kProcess);
  return true;
}

// --- the end ---

bool World::work_off() {
  bool any = false;
  stage_.now += std::chrono::milliseconds(200);  // no freeze and no timeout lasts longer
  for (std::size_t i = 0; i < rms_.size(); ++i) {
    any = rms_[i]->connect(node_of(i)) || any;
    while (rms_[i]->fetch()) any = true;
    while (rms_[i]->answer()) any = true;
    any = rms_[i]->harden() || any;
  }
  if (superior_ != nullptr) {
    any = superior_->connect(*nodes_[0]) || any;
    while (superior_->fetch()) any = true;
    any = superior_->order() || any;
  }
  while (bridge_pumps()) any = true;
  for (const auto& node : nodes_) {
    const bool was_frozen = node->tm().information()->frozen;
    const Status worked = node->tm().run_background();
    any = any || was_frozen;
    stage_.allowed("a manager works", worked, {});
  }
  return any;
}

// Those that are still there commit, or go.
void World::end_clients() {
  for (SimClient& client : clients_) {
    if (!client.busy()) continue;
    if (stage_.random.chance(70)) client.commit();
    if (!client.asked()) client.drop();
  }
}

// As it stands if it can go on as it is; else after a boot, which ends all faults.
void World::heal_and_check() {
  faults_ = false;
  stage_.say("everything heals");
  stage_.tally.add("I/O errors", stage_.storage->faults_struck());
  bool sound = !armed_ && !stage_.dead();
  for (const auto& node : nodes_) sound = sound && node->up() && !node->stuck();
  if (!sound || stage_.random.chance(40)) {
    die(stage_.random.chance(30) ? Death::kPower : Death::kProcess);
    stage_.storage->set_capacity(~std::uint64_t{0});
    settle();
  }
  for (const auto& node : nodes_) {
    if (!node->up() || !node->online()) {
      return stage_.model.violate("T4: a manager does not come up on a sound disk");
    }
    node->drain();
  }
  for (const auto& rm : rms_) rm->behave();
  if (superior_ != nullptr) superior_->behave();
  if (nodes_.size() == 2 && !connect_bridge()) return stage_.model.violate("T4: no bridge");
  end_clients();
  constexpr int kRounds = 200;
  for (int round = 0; work_off(); ++round) {
    if (!stage_.model.violation().empty()) return;
    if (round == kRounds) return stage_.model.violate("T4: it never comes to rest");
  }
  for (SimClient& client : clients_) {
    if (client.busy()) client.look();
    client.forget();
  }
  while (work_off()) {
  }
  check_end();
}

void World::check_end() {
  for (const auto& rm : rms_) {
    const std::string left = rm->left_over();
    if (!left.empty()) stage_.model.violate(left);
  }
  for (std::size_t i = 0; i < rms_.size(); ++i) rms_[i]->let_go_of(node_of(i));
  for (const auto& node : nodes_) {
    const std::string left = node->left_over();
    if (!left.empty()) stage_.model.violate(left);
  }
  if (bridge_ == nullptr) return;
  const tm::BridgeInformation bridge = bridge_->information();
  if (!bridge.branches.empty()) stage_.model.violate("T4: the bridge still waits");
  if (bridge.strangers != 0) {
    stage_.model.violate("T4: strangers below: " + bridge.stranger.to_string());
  }
}

}  // namespace cairn::system_test
