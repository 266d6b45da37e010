#include <array>
#include <string_view>

#include <cairn/rm_postgres.h>

namespace cairn::rm {
namespace {

struct Meaning {
  std::string_view sqlstate;  // as many of its letters as matter
  StatusCode code;
};
// The first that fits.
constexpr std::array kMeanings{
    Meaning{"40", StatusCode::kLocked},  // serialization failures, deadlocks
    Meaning{"55P03", StatusCode::kLocked},
    Meaning{"55006", StatusCode::kLocked},
    Meaning{"23505", StatusCode::kAlreadyExists},
    Meaning{"42501", StatusCode::kPermissionDenied},
    Meaning{"42704", StatusCode::kNotFound},
    Meaning{"42P01", StatusCode::kNotFound},
    Meaning{"25P02", StatusCode::kNotActive},
    Meaning{"53100", StatusCode::kNoSpace},
    Meaning{"57014", StatusCode::kTimeout},
    Meaning{"58", StatusCode::kIoError},
    Meaning{"08", StatusCode::kIoError},
    Meaning{"57P", StatusCode::kIoError},  // the server goes down, or comes up
    Meaning{"0A", StatusCode::kNotSupported},
    Meaning{"22", StatusCode::kInvalidArgument},
    Meaning{"23", StatusCode::kInvalidArgument},
    Meaning{"42", StatusCode::kInvalidArgument},
    Meaning{"53", StatusCode::kResourceExhausted},
    Meaning{"XX00", StatusCode::kCorrupt},
};

std::string one_line(const char* text) {
  std::string line(text == nullptr ? "" : text);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  for (char& letter : line) letter = letter == '\n' ? ' ' : letter;
  return line;
}

}  // namespace

Status from_postgres(const PGconn* connection, const PGresult* result) {
  if (result == nullptr || PQstatus(connection) == CONNECTION_BAD) {
    if (result == nullptr && PQstatus(connection) == CONNECTION_OK) return Status::ok();
    return Status(StatusCode::kIoError,
                  "PostgreSQL: connection lost: " + one_line(PQerrorMessage(connection)));
  }
  const ExecStatusType kind = PQresultStatus(result);
  if (kind != PGRES_FATAL_ERROR && kind != PGRES_BAD_RESPONSE) return Status::ok();
  const char* const field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string_view sqlstate = field == nullptr ? "" : field;
  StatusCode code = StatusCode::kInvalidState;
  for (const Meaning& meaning : kMeanings) {
    if (!sqlstate.starts_with(meaning.sqlstate)) continue;
    code = meaning.code;
    break;
  }
  return Status(
      code, "PostgreSQL " + std::string(sqlstate) + ": " + one_line(PQresultErrorMessage(result)));
}

Status execute(PGconn* connection, const std::string& statements) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection, statements.c_str()),
                                                             &PQclear);
  if (!result && PQstatus(connection) == CONNECTION_OK) {
    return Status(StatusCode::kResourceExhausted,
                  "PostgreSQL: " + one_line(PQerrorMessage(connection)));
  }
  return from_postgres(connection, result.get());
}

}  // namespace cairn::rm
