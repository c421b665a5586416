import Synchronization

/// The clock for expiry: one reading of the wall clock at the start, plus the monotonic time since
/// then.
///
/// Durations between two of its timestamps are exact, whatever happens to the wall clock meanwhile.
/// Like the monotonic clock, it does not count the time during which the machine is suspended: no
/// client can reach the server then. After a step of the wall clock, `wallClock(_:)` converts a
/// timestamp for display.
final class ServerClock: Sendable {
  /// The first timestamp of this clock.
  let start: Timestamp
  /// Nanoseconds.
  private let monotonic: @Sendable () -> UInt64
  /// Milliseconds since 1970.
  private let wall: @Sendable () -> Int64
  /// Milliseconds from `monotonic` to the timestamps of this clock.
  private let offset: Int64
  /// Milliseconds from the timestamps of this clock to the wall clock.
  private let correction = Atomic<Int64>(0)

  /// The smallest step of the wall clock that changes displayed times, in milliseconds. Smaller
  /// differences come from reading two clocks one after the other.
  private static let smallestStep: Int64 = 500

  init(
    monotonic: @escaping @Sendable () -> UInt64 = monotonicNanoseconds,
    wall: @escaping @Sendable () -> Int64 = wallClockMilliseconds
  ) {
    self.monotonic = monotonic
    self.wall = wall
    let now = wall()
    start = Timestamp(milliseconds: now)
    offset = now - Int64(monotonic() / 1_000_000)
  }

  var now: Timestamp { Timestamp(milliseconds: offset + Int64(monotonic() / 1_000_000)) }

  /// A timestamp of this clock as the wall clock shows it. Timestamps from before the start were
  /// written by an earlier server and stay as they are.
  func wallClock(_ time: Timestamp) -> Timestamp {
    guard time >= start else { return time }
    let step = wall() - now.milliseconds
    var correction = correction.load(ordering: .relaxed)
    if (step - correction).magnitude >= Self.smallestStep.magnitude {
      correction = step
      self.correction.store(step, ordering: .relaxed)
    }
    return Timestamp(milliseconds: time.milliseconds + correction)
  }
}
