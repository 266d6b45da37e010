#include <algorithm>
#include <utility>

#include <cairn/torture/log_model.h>

namespace cairn::torture {

namespace {

using Call = InFlight::Call;

// The links of a restart record are the engine's own.
bool same(const ModelRecord& expected, const SeenRecord& found) {
  if (expected.kind != found.kind || expected.type != found.type) return false;
  if (!same_bytes(*expected.payload, found.payload)) return false;
  return expected.kind == log::RecordKind::kRestart
             ? expected.base == found.base
             : expected.previous == found.previous && expected.undo_next == found.undo_next;
}

// One comparison of contents with a model.
class Check {
 public:
  Check(const LogModel& model, const LogContents& contents) : model_(model), contents_(contents) {}

  std::string run() {
    check_names();
    for (const auto& [name, seen] : contents_.streams) {
      if (violation_.empty()) check_stream(name, seen);
    }
    check_settings();
    check_prefix();
    return violation_;
  }

 private:
  bool in_flight(Call call, const std::string& stream) const {
    return model_.in_flight && model_.in_flight->call == call && model_.in_flight->stream == stream;
  }
  void violated(const std::string& rule, const std::string& text) {
    if (violation_.empty()) violation_ = rule + ": " + text;
  }

  void check_names() {
    for (const auto& [name, stream] : model_.streams) {
      if (!contents_.streams.contains(name) && !in_flight(Call::kDeleteStream, name)) {
        violated("I1", "stream '" + name + "' is missing");
      }
    }
    for (const auto& [name, stream] : contents_.streams) {
      if (!model_.streams.contains(name) && !in_flight(Call::kCreateStream, name)) {
        violated("I3", "stream '" + name + "' was never made, or was deleted");
      }
    }
  }

  void check_stream(const std::string& name, const SeenStream& seen) {
    static const ModelStream none;
    const auto found = model_.streams.find(name);
    const ModelStream& model = found == model_.streams.end() ? none : found->second;
    const std::string where = "stream '" + name + "'";
    if (found != model_.streams.end() && seen.id != model.id) {
      violated("I3", where + " has id " + std::to_string(seen.id) + " instead of " +
                         std::to_string(model.id));
    }
    const SeenRecord* extra = check_records(name, where, model, seen);
    const bool restarted = extra != nullptr && extra->kind == log::RecordKind::kRestart;
    check_base(name, where, model, seen, restarted ? extra : nullptr);
    check_restart(name, where, model, seen, restarted ? extra : nullptr);
    if (!seen.records.empty() && seen.last != seen.records.back().lsn) {
      violated("I1", where + " says its last LSN is " + seen.last.to_string() + ", it is " +
                         seen.records.back().lsn.to_string());
    }
  }

  // The record of the call in flight, if it is there.
  const SeenRecord* check_records(const std::string& name, const std::string& where,
                                  const ModelStream& model, const SeenStream& seen) {
    const SeenRecord* extra = nullptr;
    auto expected = model.records.lower_bound(seen.base);
    for (const SeenRecord& record : seen.records) {
      const std::string what = where + ", LSN " + record.lsn.to_string();
      for (; expected != model.records.end() && expected->first < record.lsn; ++expected) {
        lost(expected->first, where);
      }
      if (expected == model.records.end() || expected->first != record.lsn) {
        const bool possible = extra == nullptr && record.lsn > model_.highest &&
                              (in_flight(Call::kAppend, name) || in_flight(Call::kRestart, name));
        if (!possible || !in_flight_is(record)) violated("I3", what + " was never appended");
        extra = &record;
      } else {
        if (!same(expected->second, record)) violated("I1", what + " has another content");
        ++expected;
      }
      highest_present_ = std::max(highest_present_, record.lsn);
    }
    for (; expected != model.records.end(); ++expected) lost(expected->first, where);
    return extra;
  }

  bool in_flight_is(const SeenRecord& record) const {
    ModelRecord expected = model_.in_flight->record;
    if (expected.kind == log::RecordKind::kRestart) expected.base = record.base;
    return same(expected, record);
  }

  void lost(Lsn lsn, const std::string& where) {
    if (lsn < model_.acknowledged) {
      violated("I1", where + ", LSN " + lsn.to_string() + " was acknowledged and is lost");
    }
    lowest_lost_ = std::min(lowest_lost_, lsn);
  }

  void check_base(const std::string& name, const std::string& where, const ModelStream& model,
                  const SeenStream& seen, const SeenRecord* restart) {
    Lsn expected = model.base;
    if (restart != nullptr) {
      const Lsn asked = model_.in_flight->base;
      if (!asked.is_null()) expected = asked.is_invalid() ? restart->lsn : asked;
    }
    if (seen.base == expected) return;
    if (in_flight(Call::kAdvanceBase, name) && seen.base == model_.in_flight->base) return;
    if (!model_.streams.contains(name))
      return;  // in the making: where it begins is the log's choice
    violated("I4",
             where + " has base " + seen.base.to_string() + " instead of " + expected.to_string());
  }

  void check_restart(const std::string& name, const std::string& where, const ModelStream& model,
                     const SeenStream& seen, const SeenRecord* restart) {
    if (restart != nullptr) {
      const bool newest = seen.restart && seen.restart->lsn == restart->lsn &&
                          same_bytes(seen.restart->data, restart->payload);
      if (!newest) violated("I4", where + " does not name its newest restart area");
      check_area(where + ", previous restart area", model, model.restart, seen.previous_restart,
                 may_be_gone_before(name, model));
      return;
    }
    check_area(where + ", restart area", model, model.restart, seen.restart, Lsn());
    check_area(where + ", previous restart area", model, model.previous_restart,
               seen.previous_restart, may_be_gone_before(name, model));
  }

  // advance_base() gives up the previous restart area when it passes it.
  Lsn may_be_gone_before(const std::string& name, const ModelStream& model) const {
    if (!in_flight(Call::kAdvanceBase, name)) return model.advanced;
    return std::max(model.advanced, model_.in_flight->base);
  }

  // `optional_before`: an area before this LSN may be gone.
  void check_area(const std::string& what, const ModelStream& model, Lsn expected,
                  const std::optional<SeenRestart>& found, Lsn optional_before) {
    if (!found) {
      if (!expected.is_null() && expected >= optional_before) {
        violated("I4", what + " LSN " + expected.to_string() + " is lost");
      }
      return;
    }
    const auto area = model.restarts.find(found->lsn);
    if (found->lsn != expected || area == model.restarts.end()) {
      violated("I4",
               what + " is LSN " + found->lsn.to_string() + " instead of " + expected.to_string());
    } else if (!same_bytes(*area->second.payload, found->data) ||
               area->second.base != found->base) {
      violated("I4", what + " LSN " + found->lsn.to_string() + " has another content");
    }
  }

  // A change in flight that is there stands behind all that was appended before it.
  void check_settings() {
    if (!model_.settings || contents_.settings == *model_.settings) return;
    const std::string found = to_string(contents_.settings);
    if (!model_.in_flight || model_.in_flight->call != Call::kSettings) {
      violated("I4", found + " instead of " + to_string(*model_.settings));
    } else if (contents_.settings != model_.in_flight->settings) {
      violated("I4", found + " instead of " + to_string(*model_.settings) + ", or of " +
                         to_string(model_.in_flight->settings));
    } else {
      highest_present_ = model_.highest + 1;
    }
  }

  void check_prefix() {
    if (lowest_lost_ < highest_present_) {
      violated("I2", "LSN " + lowest_lost_.to_string() + " is lost, LSN " +
                         highest_present_.to_string() + " behind it is there");
    }
  }

  const LogModel& model_;
  const LogContents& contents_;
  Lsn highest_present_;
  Lsn lowest_lost_ = Lsn::invalid();
  std::string violation_;
};

void move_base(ModelStream& stream, Lsn base) {
  stream.base = std::max(stream.base, base);
  stream.records.erase(stream.records.begin(), stream.records.lower_bound(stream.base));
}

}  // namespace

void LogModel::appended(const std::string& stream, Lsn lsn, const ModelRecord& record,
                        bool durable) {
  highest = std::max(highest, lsn);
  streams.at(stream).records.emplace(lsn, record);
  if (durable) all_durable_before(lsn + 1);
}

void LogModel::restart_written(const std::string& stream, Lsn lsn, ModelRecord record, Lsn base) {
  ModelStream& one = streams.at(stream);
  const Lsn new_base = base.is_null() ? one.base : base.is_invalid() ? lsn : base;
  record.base = new_base;
  one.previous_restart = std::exchange(one.restart, lsn);
  one.restarts.emplace(lsn, record);
  appended(stream, lsn, record, true);
  move_base(one, new_base);
}

void LogModel::base_advanced(const std::string& stream, Lsn base) {
  ModelStream& one = streams.at(stream);
  one.advanced = std::max(one.advanced, base);
  move_base(one, base);
}

void LogModel::all_durable_before(Lsn lsn) { acknowledged = std::max(acknowledged, lsn); }

void LogModel::truncated(Lsn cut, Lsn tail) {
  std::erase_if(streams, [&](const auto& one) { return one.second.created > cut; });
  for (auto& [name, stream] : streams) {
    stream.records.erase(stream.records.upper_bound(cut), stream.records.end());
    if (stream.restart <= cut) continue;
    stream.restarts.erase(stream.restarts.upper_bound(cut), stream.restarts.end());
    stream.restarts.erase(stream.restarts.begin(), stream.restarts.lower_bound(tail));
    auto newest = stream.restarts.rbegin();
    stream.restart = newest == stream.restarts.rend() ? Lsn() : (newest++)->first;
    stream.previous_restart = newest == stream.restarts.rend() ? Lsn() : newest->first;
  }
}

// A truncation in flight happened as a whole, or not at all.
std::string LogModel::violation(const LogContents& contents) const {
  if (!in_flight || in_flight->call != InFlight::Call::kTruncate) {
    return Check(*this, contents).run();
  }
  LogModel other = *this;
  other.in_flight.reset();
  const std::string before = Check(other, contents).run();
  if (before.empty()) return {};
  other.truncated(in_flight->cut, in_flight->tail);
  const std::string after = Check(other, contents).run();
  return after.empty() ? after
                       : "not before the truncation: " + before + "; nor after it: " + after;
}

LogModel LogModel::after_recovery(const LogContents& contents) const {
  LogModel next;
  next.created = true;
  next.highest = highest;
  if (settings) next.settings = contents.settings;
  for (const auto& [name, seen] : contents.streams) {
    ModelStream& stream = next.streams[name];
    stream.id = seen.id;
    stream.base = seen.base;
    const auto known = streams.find(name);
    stream.created = known == streams.end() ? seen.base : known->second.created;
    for (const SeenRecord& record : seen.records) {
      next.highest = std::max(next.highest, record.lsn);
      stream.records.emplace(
          record.lsn, ModelRecord{record.kind, record.type, record.previous, record.undo_next,
                                  std::make_shared<const Bytes>(record.payload), record.base});
    }
    const auto keep = [&](const std::optional<SeenRestart>& area) {
      if (!area) return Lsn();
      ModelRecord record;
      record.kind = log::RecordKind::kRestart;
      record.payload = std::make_shared<const Bytes>(area->data);
      record.base = area->base;
      stream.restarts.emplace(area->lsn, std::move(record));
      return area->lsn;
    };
    stream.restart = keep(seen.restart);
    stream.previous_restart = keep(seen.previous_restart);
  }
  next.acknowledged = next.highest + 1;
  return next;
}

}  // namespace cairn::torture
