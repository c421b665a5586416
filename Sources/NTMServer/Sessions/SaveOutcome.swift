/// What became of a change that a request waits for. The request is answered by it.
///
/// | the commit                            | `always`                        | `everysec`                      |
/// |---------------------------------------|---------------------------------|---------------------------------|
/// | succeeds                              | `saved`: the reply              | `saved`: the reply              |
/// | fails (disk full, busy, I/O error …)  | `withdrawn`: 503, no change     | `kept`: the reply               |
/// | succeeds without this one change      | `withdrawn`: 500, no change     | `withdrawn`: 500, quarantined   |
/// | still runs after `Journal.waitLimit`  | `overdue`: 504 with the `step`  | `kept`: the reply               |
/// | … and ends later                      | `settled`                       |                                 |
///
/// - `always` acknowledges saved changes only. While a commit runs, its change can be neither confirmed
///   nor withdrawn, so the 504 says that the change is applied in memory and may be saved or taken back.
///   A retry with the step's number waits again and gets the same reply once the change is saved. The
///   request's `Idempotency-Key` stays in use (409) until the change is settled: then it has the reply,
///   or is free because the change was taken back.
/// - `everysec` keeps a change in memory and saves it when the store works again. Requests wait only
///   while a commit takes long, so that a crash loses little.
/// - `none` saves at the end and never waits.
/// - A read never changes anything. Under `always` it waits for the change that it shows: at most until
///   `waitLimit`, and not at all once the store is known to hang. It is repeated if the change was
///   withdrawn.
/// - While the store fails or hangs, new changes are refused (503) before they are applied.
/// - A session, a fork and a sequence are created by a change of their own, and follow the same rules. A
///   stream ends with the problem as its last line. `POST /step` has an outcome for each of its steps.
enum SaveOutcome: Equatable, Sendable {
  case saved
  /// The change stays in memory and is saved when the store works again.
  case kept
  /// The session is as it was before the change.
  case withdrawn(Problem)
  /// The commit still runs. `settled` follows.
  case overdue
  case settled(isSaved: Bool)
}

/// Receives the outcome of a change. After `overdue` it receives `settled` as well.
struct SaveWaiter: Sendable {
  /// Monotonic nanoseconds.
  let since: UInt64
  var isOverdue = false
  private let report: @Sendable (SaveOutcome) -> Void

  init(since: UInt64, _ report: @escaping @Sendable (SaveOutcome) -> Void) {
    self.since = since
    self.report = report
  }

  /// Reports the outcome of a commit that has ended.
  func finish(_ outcome: SaveOutcome) {
    guard isOverdue else { return report(outcome) }
    if case .withdrawn = outcome {
      report(.settled(isSaved: false))
    } else {
      report(.settled(isSaved: true))
    }
  }

  func reportOverdue() { report(.overdue) }
}

extension Problem {
  static func notSaved(_ error: StoreError?) -> Problem {
    let reason = error?.reason ?? "the store has failed"
    return Problem(
      .storeUnavailable, "sessions can't be saved: \(reason). Nothing was changed; try again later",
      fields: ["reason": .text(reason)])
  }

  /// - Parameter step: the session's step with the change; nil if it has ended
  static func unconfirmed(_ id: String, step: Int?) -> Problem {
    var fields = ["session": Field.text(id)]
    if let step { fields["step"] = .number(step) }
    let state = step.map { "session \"\(id)\" is at step \($0)" } ?? "session \"\(id)\" has ended"
    return Problem(
      .saveUnconfirmed,
      "the change is applied: \(state). But it is not saved after "
        + "\(Journal.waitLimit / 1_000_000_000) s, and may still be saved or taken back. "
        + "GET /sessions/\(id) shows the session", fields: fields)
  }

  static func changeRejected(_ id: String, _ reason: String) -> Problem {
    Problem(
      .changeRejected,
      "the store rejects the change of session \"\(id)\": \(reason). Nothing was changed",
      fields: ["reason": .text(reason), "session": .text(id)])
  }

  static func damaged(_ id: String, _ reason: String) -> Problem {
    Problem(
      .damagedSession, "session \"\(id)\" can't be used: \(reason). It can be deleted",
      fields: ["reason": .text(reason)])
  }
}
