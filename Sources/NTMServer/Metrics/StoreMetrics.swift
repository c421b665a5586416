import Synchronization

/// What becomes of sessions in the store.
final class StoreMetrics: Sendable {
  private let commits = Atomic(0)
  private let commitNanoseconds = Atomic<UInt64>(0)
  private let changes = Atomic(0)
  private let failures = Atomic(0)
  private let rejections = Atomic(0)
  private let loads = Atomic(0)
  private let departures = Atomic(0)
  private let damaged = Atomic(0)
  private let damagedReplies = Atomic(0)

  func committed(_ count: Int, nanoseconds: UInt64) {
    commits.add(1, ordering: .relaxed)
    changes.add(count, ordering: .relaxed)
    commitNanoseconds.add(nanoseconds, ordering: .relaxed)
  }

  func rejected() { rejections.add(1, ordering: .relaxed) }
  func failed() { failures.add(1, ordering: .relaxed) }
  func loaded() { loads.add(1, ordering: .relaxed) }
  func movedOut() { departures.add(1, ordering: .relaxed) }
  func quarantined() { damaged.add(1, ordering: .relaxed) }

  func foundDamagedReplies(_ count: Int) { damagedReplies.add(count, ordering: .relaxed) }

  func write(isFailing: Bool, resident: Int, to text: inout MetricsText) {
    text.single(
      "ntm_sessions_in_memory", .gauge, "Sessions whose state is in memory.", Double(resident))
    text.single(
      "ntm_store_failing", .gauge, "Whether sessions can't be saved at present.",
      isFailing ? 1 : 0)
    let counters: [(String, String, Int)] = [
      ("ntm_store_commits_total", "Commits to the store.", commits.load(ordering: .relaxed)),
      (
        "ntm_store_changes_total", "Sessions' changes in these commits.",
        changes.load(ordering: .relaxed)
      ),
      (
        "ntm_store_failures_total", "Commits that failed.", failures.load(ordering: .relaxed)
      ),
      (
        "ntm_store_rejected_total",
        "Sessions' changes that the store rejected while it accepted others.",
        rejections.load(ordering: .relaxed)
      ),
      (
        "ntm_sessions_loaded_total", "Sessions that came from the store into memory.",
        loads.load(ordering: .relaxed)
      ),
      (
        "ntm_sessions_moved_out_total", "Sessions that left memory for others.",
        departures.load(ordering: .relaxed)
      ),
      (
        "ntm_sessions_damaged_total", "Sessions that were found damaged in the store.",
        damaged.load(ordering: .relaxed)
      ),
      (
        "ntm_replies_damaged_total", "Stored replies to keyed requests that were found damaged.",
        damagedReplies.load(ordering: .relaxed)
      ),
    ]
    for (name, help, count) in counters { text.single(name, .counter, help, Double(count)) }
    text.single(
      "ntm_store_commit_seconds_total", .counter, "Time that commits took.",
      Double(commitNanoseconds.load(ordering: .relaxed)) / 1e9)
  }
}
