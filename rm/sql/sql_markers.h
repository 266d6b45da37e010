// SqlMarkers: rows that prove commits, by the unit of work, until nobody can ask for the proof.
//
// The proof of a commit is asked for when COMMIT comes again. It comes again as long as the
// manager's record of the end of the transaction may be lost, which is not forced. So a marker is
// cleared away after that record is in the log, which shows by the unit of work being free again,
// and a restart area, which is forced, stands behind it. Costs one forced write per kBatch markers.
#ifndef CAIRN_RM_SQL_SQL_MARKERS_H_
#define CAIRN_RM_SQL_SQL_MARKERS_H_

#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm {

// For one thread.
class SqlMarkers {
 public:
  static constexpr std::size_t kBatch = 512;

  // One whose commit was answered.
  void add(const Uuid& transaction, const std::string& name) {
    kept_.emplace_back(transaction, name);
  }
  [[nodiscard]] bool is_due() const { return kept_.size() >= next_; }
  void make_due() { next_ = 0; }

  // Those that nobody can ask for any more; the others are looked at again later.
  [[nodiscard]] std::vector<std::string> take_free(tm::TransactionManager& manager) {
    std::vector<std::pair<Uuid, std::string>> busy;
    std::vector<std::pair<Uuid, std::string>> free;
    for (auto& one : kept_) {
      // A unit of work can begin again when the record of its end is in the log. This one ends at
      // once, and leaves nothing.
      const auto again = manager.create_transaction({.unit_of_work = one.first});
      (again ? free : busy).push_back(std::move(one));
    }
    kept_ = std::move(busy);
    std::vector<std::string> names;
    if (!free.empty() && !manager.checkpoint()) {
      kept_.insert(kept_.end(), std::make_move_iterator(free.begin()),
                   std::make_move_iterator(free.end()));
    } else {
      for (auto& one : free) names.push_back(std::move(one.second));
    }
    next_ = kept_.size() + kBatch;
    return names;
  }

 private:
  std::vector<std::pair<Uuid, std::string>> kept_;
  std::size_t next_ = kBatch;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_SQL_SQL_MARKERS_H_
