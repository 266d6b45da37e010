// The model of a log and what runs beside it, which `cairn torture` has too: by their plain names.
#ifndef CAIRN_TESTS_LOG_TORTURE_NAMES_H_
#define CAIRN_TESTS_LOG_TORTURE_NAMES_H_

#include <cairn/torture/log_contents.h>
#include <cairn/torture/log_model.h>
#include <cairn/torture/log_scenario.h>
#include <cairn/torture/modelled_log.h>

namespace cairn::log_test {

using torture::Bytes;
using torture::check_space;
using torture::check_stream_cursors;
using torture::difference;
using torture::InFlight;
using torture::LogContents;
using torture::LogModel;
using torture::LogScenario;
using torture::LogSettings;
using torture::manual_options;
using torture::ModelledLog;
using torture::ModelRecord;
using torture::ModelStream;
using torture::read_contents;
using torture::same_bytes;
using torture::ScenarioOptions;
using torture::SeenRecord;
using torture::SeenRestart;
using torture::SeenStream;
using torture::settings_of;
using torture::SharedBytes;
using torture::small_log;

}  // namespace cairn::log_test

#endif  // CAIRN_TESTS_LOG_TORTURE_NAMES_H_
