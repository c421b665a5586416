/// How and when a session ended.
struct SessionEnding: Equatable, Sendable {
  enum Reason: String, CaseIterable {
    case expired, deleted
    /// Its creation could not be saved.
    case lost
  }

  let reason: Reason
  /// As the wall clock shows it.
  let at: Timestamp
}

extension Problem {
  static func noSession(_ id: String) -> Problem {
    Problem(
      .noSuchSession, "there is no session \"\(id)\": it never was, or its end has been forgotten")
  }

  static func sessionEnded(_ id: String, _ ending: SessionEnding) -> Problem {
    let how =
      switch ending.reason {
      case .expired: "expired, because nobody used it,"
      case .deleted: "was deleted"
      case .lost: "could not be saved, and was dropped"
      }
    return Problem(
      .noSuchSession, "session \"\(id)\" \(how) at \(ending.at.text)",
      fields: ["reason": .text(ending.reason.rawValue), "ended_at": .text(ending.at.text)])
  }
}
