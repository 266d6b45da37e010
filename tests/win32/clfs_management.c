/* A program by CLFS's names: policies, full logs, notifications. Each section is a test of its own. */
#include <pthread.h>

#include "clfs_check.h"

static CLFS_MGMT_POLICY policy_of(CLFS_MGMT_POLICY_TYPE type) {
  CLFS_MGMT_POLICY policy;
  memset(&policy, 0, sizeof policy);
  policy.Version = CLFS_MGMT_POLICY_VERSION;
  policy.LengthInBytes = sizeof policy;
  policy.PolicyType = type;
  return policy;
}

static void set_maximum(HANDLE log, ULONG containers) {
  CLFS_MGMT_POLICY policy = policy_of(ClfsMgmtPolicyMaximumSize);
  policy.PolicyFlags = LOG_POLICY_OVERWRITE;
  policy.PolicyParameters.MaximumSize.Containers = containers;
  CHECK(InstallLogPolicy(log, &policy));
}

/* --- policies --- */

static void policies_are_installed_queried_and_removed(void) {
  const HANDLE log = new_log("policies");
  add_containers(log, 3);
  CLFS_MGMT_POLICY policy = policy_of(ClfsMgmtPolicyMinimumSize);
  CLFS_MGMT_POLICY found;
  ULONG size = sizeof found;
  CHECK_ERROR(ERROR_LOG_POLICY_NOT_INSTALLED,
              QueryLogPolicy(log, ClfsMgmtPolicyMinimumSize, &found, &size));
  policy.PolicyParameters.MinimumSize.Containers = 3;
  CHECK(InstallLogPolicy(log, &policy));
  CHECK_ERROR(ERROR_LOG_POLICY_ALREADY_INSTALLED, InstallLogPolicy(log, &policy));
  policy.PolicyFlags = LOG_POLICY_OVERWRITE;
  policy.PolicyParameters.MinimumSize.Containers = 4;
  CHECK(InstallLogPolicy(log, &policy));
  size = 3;
  CHECK_ERROR(ERROR_MORE_DATA, QueryLogPolicy(log, ClfsMgmtPolicyMinimumSize, &found, &size));
  CHECK(size == sizeof found);
  CHECK(QueryLogPolicy(log, ClfsMgmtPolicyMinimumSize, &found, &size));
  CHECK(found.PolicyParameters.MinimumSize.Containers == 4 && found.LengthInBytes == size);
  /* One that contradicts another, one that cannot be meant, one that would not be kept. */
  policy = policy_of(ClfsMgmtPolicyMaximumSize);
  policy.PolicyParameters.MaximumSize.Containers = 3;
  CHECK_ERROR(ERROR_LOG_POLICY_CONFLICT, InstallLogPolicy(log, &policy));
  policy.PolicyParameters.MaximumSize.Containers = 1;
  CHECK_ERROR(ERROR_LOG_POLICY_INVALID, InstallLogPolicy(log, &policy));
  policy.PolicyParameters.MaximumSize.Containers = 8;
  policy.PolicyFlags = LOG_POLICY_PERSIST;
  CHECK_ERROR(ERROR_NOT_SUPPORTED, InstallLogPolicy(log, &policy));
  policy = policy_of(ClfsMgmtPolicyGrowthRate);
  policy.PolicyParameters.GrowthRate.AbsoluteGrowthInContainers = 2;
  policy.PolicyParameters.GrowthRate.RelativeGrowthPercentage = 10;
  CHECK_ERROR(ERROR_LOG_POLICY_INVALID, InstallLogPolicy(log, &policy));
  policy = policy_of(ClfsMgmtPolicyAutoGrow);
  policy.Version = 2;
  CHECK_ERROR(ERROR_LOG_POLICY_INVALID, InstallLogPolicy(log, &policy));
  policy = policy_of(ClfsMgmtPolicyAutoShrink);
  policy.PolicyParameters.AutoShrink.Percentage = 101;
  CHECK_ERROR(ERROR_LOG_POLICY_INVALID, InstallLogPolicy(log, &policy));
  CHECK(RemoveLogPolicy(log, ClfsMgmtPolicyMinimumSize));
  CHECK_ERROR(ERROR_LOG_POLICY_NOT_INSTALLED, RemoveLogPolicy(log, ClfsMgmtPolicyMinimumSize));
  CHECK_ERROR(ERROR_LOG_POLICY_INVALID, RemoveLogPolicy(log, (CLFS_MGMT_POLICY_TYPE)99));
  CHECK_ERROR(ERROR_LOG_POLICY_INVALID,
              QueryLogPolicy(log, ClfsMgmtPolicyInvalid, &found, &size));
  CHECK(CloseHandle(log));
  const HANDLE again = open_log_as("policies", OPEN_EXISTING, 0);
  CHECK_ERROR(ERROR_LOG_POLICY_NOT_INSTALLED,
              QueryLogPolicy(again, ClfsMgmtPolicyMinimumSize, &found, &size));
  CHECK(CloseHandle(again));
}

static void names_of_containers_stay_in_the_directory(void) {
  struct {
    CLFS_MGMT_POLICY policy;
    WCHAR room[64];
  } named;
  const HANDLE log = new_log("prefix");
  add_containers(log, 2);
  const wchar_t* inside = L"%BLF%/prefix";
  const wchar_t* outside = L"/var/elsewhere/prefix";
  memset(&named, 0, sizeof named);
  named.policy = policy_of(ClfsMgmtPolicyNewContainerPrefix);
  named.policy.LengthInBytes = sizeof named;
  named.policy.PolicyParameters.NewContainerPrefix.PrefixLengthInBytes =
      (USHORT)(wcslen(outside) * sizeof(WCHAR));
  WCHAR* const text = named.policy.PolicyParameters.NewContainerPrefix.PrefixString;
  memcpy(text, outside, wcslen(outside) * sizeof(WCHAR));
  CHECK_ERROR(ERROR_NOT_SUPPORTED, InstallLogPolicy(log, &named.policy));
  named.policy.PolicyParameters.NewContainerPrefix.PrefixLengthInBytes =
      (USHORT)(wcslen(inside) * sizeof(WCHAR));
  memcpy(text, inside, wcslen(inside) * sizeof(WCHAR));
  CHECK(InstallLogPolicy(log, &named.policy));
  named.policy.PolicyParameters.NewContainerPrefix.PrefixLengthInBytes = 60000;
  CHECK_ERROR(ERROR_LOG_POLICY_INVALID, InstallLogPolicy(log, &named.policy));
  CLFS_MGMT_POLICY suffix = policy_of(ClfsMgmtPolicyNewContainerSuffix);
  suffix.PolicyParameters.NewContainerSuffix.NextContainerSuffix = 7;
  CHECK(InstallLogPolicy(log, &suffix));
  CLFS_MGMT_POLICY extension = policy_of(ClfsMgmtPolicyNewContainerExtension);
  CHECK(InstallLogPolicy(log, &extension));
  CHECK(CloseHandle(log));
}

static void the_size_is_set_within_the_policies(void) {
  const HANDLE log = new_log("sized");
  ULONGLONG desired = 4;
  ULONGLONG result = 0;
  CHECK_ERROR(ERROR_INVALID_PARAMETER, SetLogFileSizeWithPolicy(log, &desired, &result));
  CLFS_MGMT_POLICY container = policy_of(ClfsMgmtPolicyNewContainerSize);
  container.PolicyParameters.NewContainerSize.SizeInBytes = 512 << 10;
  CHECK(InstallLogPolicy(log, &container));
  desired = 0;
  CHECK(SetLogFileSizeWithPolicy(log, &desired, &result));
  CHECK(result == 2 && information_of(log).ContainerSize == 1 << 20);
  desired = 1;
  CHECK_ERROR(ERROR_INVALID_PARAMETER, SetLogFileSizeWithPolicy(log, &desired, &result));
  desired = 5;
  CHECK(SetLogFileSizeWithPolicy(log, &desired, &result) && result == 5);
  desired = 1024;
  CHECK_ERROR(ERROR_LOG_POLICY_CONFLICT, SetLogFileSizeWithPolicy(log, &desired, &result));
  set_maximum(log, 6);
  CHECK(SetLogFileSizeWithPolicy(log, &desired, &result) && result == 6);
  desired = 7;
  CHECK(SetLogFileSizeWithPolicy(log, &desired, &result) && result == 6);
  wchar_t name[] = L"one more";
  CHECK_ERROR(ERROR_LOG_CONTAINER_LIMIT_EXCEEDED, AddLogContainer(log, NULL, name, NULL));
  desired = 3;
  CHECK(SetLogFileSizeWithPolicy(log, &desired, &result) && result == 3);
  CLFS_MGMT_POLICY least = policy_of(ClfsMgmtPolicyMinimumSize);
  least.PolicyParameters.MinimumSize.Containers = 3;
  CHECK(InstallLogPolicy(log, &least));
  desired = 2;
  CHECK_ERROR(ERROR_COULD_NOT_RESIZE_LOG, SetLogFileSizeWithPolicy(log, &desired, &result));
  CHECK(information_of(log).TotalContainers == 3);
  CHECK(CloseHandle(log));
}

static void a_log_grows_and_shrinks_by_itself_only_if_told(void) {
  const HANDLE log = new_log("auto");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  CLFS_LSN last;
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  CHECK(information_of(log).TotalContainers == 2);
  set_maximum(log, 4);
  CLFS_MGMT_POLICY policy = policy_of(ClfsMgmtPolicyAutoGrow);
  policy.PolicyParameters.AutoGrow.Enabled = 1;
  CHECK(InstallLogPolicy(log, &policy));
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  CHECK(information_of(log).TotalContainers == 4);
  policy = policy_of(ClfsMgmtPolicyAutoShrink);
  policy.PolicyParameters.AutoShrink.Percentage = 25;
  CHECK(RemoveLogPolicy(log, ClfsMgmtPolicyAutoGrow));
  CHECK(InstallLogPolicy(log, &policy));
  for (int i = 0; i < 5000 && information_of(log).TotalContainers > 3; ++i) {
    CHECK(AdvanceLogBase(area, &last, 0, NULL));
    CHECK(append_bytes(area, 10000, 's', CLFS_FLAG_FORCE_FLUSH, &last));
  }
  CHECK(information_of(log).TotalContainers < 4);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* --- full logs --- */

typedef struct {
  PVOID area;
  CLFS_LSN newest; /* of the records that the client needs */
  BOOL follows;    /* it moves its base when it is asked */
  int asked;
  int handled;
  int unpinned;
  DWORD error;
  BOOL pinned;
} Client;

static void on_advance(HANDLE log, CLFS_LSN target, PVOID context) {
  Client* const client = (Client*)context;
  (void)log;
  ++client->asked;
  if (client->follows) CHECK(AdvanceLogBase(client->area, &target, 0, NULL));
}

static void on_handled(HANDLE log, DWORD error, BOOL pinned, PVOID context) {
  Client* const client = (Client*)context;
  (void)log;
  ++client->handled;
  client->error = error;
  client->pinned = pinned;
}

static void on_unpinned(HANDLE log, PVOID context) {
  (void)log;
  ++((Client*)context)->unpinned;
}

static void register_client(HANDLE log, Client* client, PVOID area) {
  LOG_MANAGEMENT_CALLBACKS callbacks = {NULL, on_advance, on_handled, on_unpinned};
  memset(client, 0, sizeof *client);
  client->area = area;
  callbacks.CallbackContext = client;
  CHECK(RegisterManageableLogClient(log, &callbacks));
}

static void a_full_log_grows_as_the_policies_say(void) {
  const HANDLE log = new_log("grows");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  Client client;
  CHECK_ERROR(ERROR_LOG_CLIENT_NOT_REGISTERED, HandleLogFull(log));
  register_client(log, &client, area);
  set_maximum(log, 5);
  CLFS_LSN last;
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(log));
  CHECK(client.handled == 1 && client.error == ERROR_SUCCESS && !client.pinned);
  CHECK(information_of(log).TotalContainers == 4); /* two more, as long as no rate is installed */
  CHECK(append_bytes(area, 30000, 'g', 0, &last));
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(log));
  CHECK(information_of(log).TotalContainers == 5 && client.asked == 0);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* Two streams in a log of 3 containers that does not grow: `old` pins the tail. */
typedef struct {
  HANDLE old_log;
  HANDLE new_log;
  PVOID old_area;
  PVOID new_area;
  CLFS_LSN newest;
} Pinned;

static Pinned pinned_log(const char* name) {
  char text[64];
  Pinned pinned;
  snprintf(text, sizeof text, "%s::old", name);
  pinned.old_log = new_log(text);
  snprintf(text, sizeof text, "%s::new", name);
  pinned.new_log = new_log(text);
  add_containers(pinned.old_log, 3);
  set_maximum(pinned.old_log, 3);
  pinned.old_area = new_area(pinned.old_log);
  pinned.new_area = new_area(pinned.new_log);
  append_text(pinned.old_area, "old", NULL, NULL);
  CHECK(fill_log(pinned.new_area, &pinned.newest) == ERROR_LOG_FULL);
  CHECK(AdvanceLogBase(pinned.new_area, &pinned.newest, 0, NULL));
  CHECK_ERROR(ERROR_LOG_FULL, append_bytes(pinned.new_area, 30000, 'n', 0, &pinned.newest));
  return pinned;
}

static void close_pinned(Pinned* pinned) {
  CHECK(DeleteLogMarshallingArea(pinned->old_area));
  CHECK(DeleteLogMarshallingArea(pinned->new_area));
  CHECK(CloseHandle(pinned->old_log));
  CHECK(CloseHandle(pinned->new_log));
}

static void who_pins_the_tail_is_asked(void) {
  Pinned pinned = pinned_log("asked");
  Client owner;
  Client full;
  register_client(pinned.new_log, &full, pinned.new_area);
  /* Nobody answers for the stream that pins it. */
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(pinned.new_log));
  CHECK(full.handled == 1 && full.error == ERROR_LOG_PINNED && full.pinned);
  register_client(pinned.old_log, &owner, pinned.old_area);
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(pinned.new_log));
  CHECK(owner.asked == 1 && full.handled == 1);
  CHECK_ERROR(ERROR_LOG_FULL_HANDLER_IN_PROGRESS, HandleLogFull(pinned.new_log));
  CLFS_LSN end = information_of(pinned.old_log).LastLsn;
  CHECK(AdvanceLogBase(pinned.old_area, &end, 0, NULL));
  CHECK(full.handled == 2 && full.error == ERROR_SUCCESS && !full.pinned);
  CHECK(append_bytes(pinned.new_area, 30000, 'n', 0, &pinned.newest));
  /* A client that follows at once: handled before the call returns. */
  append_text(pinned.old_area, "old", NULL, NULL);
  CHECK(fill_log(pinned.new_area, &pinned.newest) == ERROR_LOG_FULL);
  CHECK(AdvanceLogBase(pinned.new_area, &pinned.newest, 0, NULL));
  owner.follows = TRUE;
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(pinned.new_log));
  CHECK(owner.asked == 2 && full.handled == 3 && full.error == ERROR_SUCCESS);
  CHECK(append_bytes(pinned.new_area, 30000, 'n', 0, &pinned.newest));
  /* A client that is gone answers for nothing any more. */
  append_text(pinned.old_area, "old", NULL, NULL);
  CHECK(fill_log(pinned.new_area, &pinned.newest) == ERROR_LOG_FULL);
  CHECK(AdvanceLogBase(pinned.new_area, &pinned.newest, 0, NULL));
  owner.follows = FALSE;
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(pinned.new_log));
  CHECK(owner.asked == 3 && full.handled == 3);
  CHECK(DeregisterManageableLogClient(pinned.old_log));
  CHECK(full.handled == 4 && full.error == ERROR_LOG_PINNED && full.pinned);
  end = information_of(pinned.old_log).LastLsn;
  CHECK(full.unpinned == 0 && AdvanceLogBase(pinned.old_area, &end, 0, NULL));
  CHECK(full.unpinned == 1);
  close_pinned(&pinned);
}

static void who_pins_its_own_log_is_asked(void) {
  const HANDLE log = new_log("own");
  add_containers(log, 3);
  set_maximum(log, 3);
  const PVOID area = new_area(log);
  Client client;
  register_client(log, &client, area);
  client.follows = TRUE;
  for (int round = 1; round <= 3; ++round) {
    CLFS_LSN last;
    CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
    CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(log));
    CHECK(client.asked == round && client.handled == round && client.error == ERROR_SUCCESS);
    CHECK(append_bytes(area, 30000, 'o', 0, &last));
  }
  /* With a tail of 0, nobody is asked. */
  CLFS_MGMT_POLICY tail = policy_of(ClfsMgmtPolicyLogTail);
  CHECK(InstallLogPolicy(log, &tail));
  CLFS_LSN last;
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(log));
  CHECK(client.asked == 3 && client.handled == 4 && client.error == ERROR_LOG_PINNED);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

static CLFS_MGMT_NOTIFICATION read_notification(HANDLE log) {
  CLFS_MGMT_NOTIFICATION notification;
  CHECK(ReadLogNotification(log, &notification, NULL));
  return notification;
}

static void a_client_that_cannot_advance_says_so(void) {
  Pinned pinned = pinned_log("cannot");
  CHECK(RegisterManageableLogClient(pinned.old_log, NULL));
  CHECK_ERROR(ERROR_LOG_CLIENT_ALREADY_REGISTERED,
              RegisterManageableLogClient(pinned.old_log, NULL));
  CHECK(RegisterManageableLogClient(pinned.new_log, NULL));
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(pinned.new_log));
  CLFS_MGMT_NOTIFICATION notification = read_notification(pinned.old_log);
  CHECK(notification.Notification == ClfsMgmtAdvanceTailNotification);
  CHECK(LsnContainer(&notification.Lsn) == 1);
  CHECK_ERROR(ERROR_INVALID_PARAMETER, LogTailAdvanceFailure(pinned.old_log, ERROR_SUCCESS));
  CHECK(LogTailAdvanceFailure(pinned.old_log, ERROR_BUSY));
  notification = read_notification(pinned.new_log);
  CHECK(notification.Notification == ClfsMgmtLogFullHandlerNotification);
  CHECK(notification.LogIsPinned);
  /* It is not asked again as long as it is so, and who waits is told when that ends. */
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(pinned.new_log));
  notification = read_notification(pinned.new_log);
  CHECK(notification.Notification == ClfsMgmtLogFullHandlerNotification);
  CHECK(notification.LogIsPinned);
  CLFS_LSN end = information_of(pinned.old_log).LastLsn;
  CHECK(AdvanceLogBase(pinned.old_area, &end, 0, NULL));
  notification = read_notification(pinned.new_log);
  CHECK(notification.Notification == ClfsMgmtLogUnpinnedNotification);
  CHECK(append_bytes(pinned.new_area, 30000, 'n', 0, &pinned.newest));
  CHECK(DeregisterManageableLogClient(pinned.old_log));
  CHECK_ERROR(ERROR_LOG_CLIENT_NOT_REGISTERED, DeregisterManageableLogClient(pinned.old_log));
  CHECK_ERROR(ERROR_LOG_CLIENT_NOT_REGISTERED, LogTailAdvanceFailure(pinned.old_log, ERROR_BUSY));
  close_pinned(&pinned);
}

static void the_archive_that_pins_is_named(void) {
  const HANDLE log = new_log("archive");
  add_containers(log, 3);
  set_maximum(log, 3);
  const PVOID area = new_area(log);
  Client client;
  register_client(log, &client, area);
  CHECK(SetLogArchiveMode(log, ClfsLogArchiveEnabled));
  CLFS_LSN last;
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  CHECK(AdvanceLogBase(area, &last, 0, NULL));
  CHECK_ERROR(ERROR_IO_PENDING, HandleLogFull(log));
  CHECK(client.handled == 1 && client.error == ERROR_LOG_PINNED_ARCHIVE_TAIL && client.pinned);
  CHECK(SetLogArchiveTail(log, &last, NULL));
  CHECK(client.unpinned == 1);
  CHECK(append_bytes(area, 30000, 'a', 0, &last));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* --- notifications --- */

static void a_client_is_told_that_the_log_was_written_to(void) {
  const HANDLE log = new_log("written");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  CHECK_ERROR(ERROR_LOG_CLIENT_NOT_REGISTERED, RegisterForLogWriteNotification(log, 4096, TRUE));
  CHECK(RegisterManageableLogClient(log, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER, RegisterForLogWriteNotification(log, 0, TRUE));
  CHECK(RegisterForLogWriteNotification(log, 4096, TRUE));
  CLFS_LSN last;
  CHECK(append_bytes(area, 30000, 'w', CLFS_FLAG_FORCE_FLUSH, &last));
  CHECK(read_notification(log).Notification == ClfsMgmtLogWriteNotification);
  CHECK(append_bytes(area, 30000, 'w', CLFS_FLAG_FORCE_FLUSH, &last));
  CHECK(read_notification(log).Notification == ClfsMgmtLogWriteNotification);
  CHECK(RegisterForLogWriteNotification(log, 0, FALSE));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* Whichever comes first: a wait that has begun, or one that finds the client gone. */
static void* close_it(void* log) {
  CHECK(CloseHandle((HANDLE)log));
  return NULL;
}

static void closing_the_handle_ends_a_wait(void) {
  const HANDLE log = new_log("waited");
  pthread_t closer;
  CLFS_MGMT_NOTIFICATION notification;
  add_containers(log, 2);
  CHECK(RegisterManageableLogClient(log, NULL));
  CHECK(pthread_create(&closer, NULL, close_it, log) == 0);
  SetLastError(0);
  CHECK(!ReadLogNotification(log, &notification, NULL));
  CHECK(GetLastError() == ERROR_OPERATION_ABORTED || GetLastError() == ERROR_INVALID_HANDLE);
  CHECK(pthread_join(closer, NULL) == 0);
}

int main(int argc, char** argv) {
  static const Section sections[] = {
      {"PoliciesAreInstalledQueriedAndRemoved", policies_are_installed_queried_and_removed},
      {"NamesOfContainersStayInTheDirectory", names_of_containers_stay_in_the_directory},
      {"TheSizeIsSetWithinThePolicies", the_size_is_set_within_the_policies},
      {"ALogGrowsAndShrinksByItselfOnlyIfTold", a_log_grows_and_shrinks_by_itself_only_if_told},
      {"AFullLogGrowsAsThePoliciesSay", a_full_log_grows_as_the_policies_say},
      {"WhoPinsTheTailIsAsked", who_pins_the_tail_is_asked},
      {"WhoPinsItsOwnLogIsAsked", who_pins_its_own_log_is_asked},
      {"AClientThatCannotAdvanceSaysSo", a_client_that_cannot_advance_says_so},
      {"TheArchiveThatPinsIsNamed", the_archive_that_pins_is_named},
      {"AClientIsToldThatTheLogWasWrittenTo", a_client_is_told_that_the_log_was_written_to},
      {"ClosingTheHandleEndsAWait", closing_the_handle_ends_a_wait},
      {NULL, NULL}};
  return run_sections(argc, argv, sections);
}
