/// How many sessions there are and were.
struct SessionMetrics: Sendable {
  /// At this moment, with those that are being made.
  var active = 0
  /// Bytes of their states and of what they keep for their clients.
  var bytes = 0
  var created = 0
  var ended: [SessionEnding.Reason: Int] = [:]
  /// Sessions that were not made, by the limit that kept them from it.
  var rejected: [SessionTable.Limit: Int] = [:]

  func write(to text: inout MetricsText) {
    text.single("ntm_sessions", .gauge, "Sessions that there are.", Double(active))
    text.single(
      "ntm_session_bytes", .gauge,
      "Bytes of the sessions' states, and of replies and events kept for their clients.",
      Double(bytes))
    text.single("ntm_sessions_created_total", .counter, "Sessions made.", Double(created))
    // Every series from the start, so that the first of a kind is an increase.
    text.family("ntm_sessions_ended_total", .counter, "Sessions ended.")
    for reason in SessionEnding.Reason.allCases {
      text.sample(
        "ntm_sessions_ended_total", ["reason": reason.rawValue], value: ended[reason] ?? 0)
    }
    text.family("ntm_sessions_rejected_total", .counter, "Sessions not made for want of room.")
    for limit in SessionTable.Limit.allCases {
      text.sample(
        "ntm_sessions_rejected_total", ["limit": limit.rawValue], value: rejected[limit] ?? 0)
    }
  }
}
