public import Logging

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A bounded queue of log lines in front of a descriptor, and the thread that writes them.
///
/// A request never waits for the log. Standard error may be a pipe whose reader has stopped, or a file
/// on a disk that is full. Lines that find the queue full, or that cannot be written, are dropped. They
/// are counted, and the log says how many are missing when it can be written again.
public final class LogQueue: Sendable {
  public enum Format: Sendable { case text, json }

  struct Limits: Sendable {
    var lines = 10_000
    var bytes = 1 << 20
  }

  private struct State: Sendable {
    /// The bytes of the lines that wait for the writer.
    var waiting: [UInt8] = []
    var lines = 0
    /// All lines that were dropped.
    var dropped = 0
    /// The dropped lines that the log has not mentioned.
    var unreported = 0
    /// Whether the writer waits for lines.
    var isIdle = false
    var isStopping = false
    var hasEnded = false

    mutating func drop(_ lines: Int) {
      dropped += lines
      unreported += lines
    }
  }

  private let format: Format
  private let limits: Limits
  private let descriptor: Int32
  private let state = Monitor(State())
  private let thread = Lock<SystemThread?>(nil)

  public convenience init(format: Format) {
    self.init(format: format, descriptor: STDERR_FILENO)
  }

  /// - Parameter descriptor: must be open until the queue has stopped
  init(format: Format, descriptor: Int32, limits: Limits = Limits()) {
    self.format = format
    self.descriptor = descriptor
    self.limits = limits
  }

  /// Starts the writer. It must be called once, before the first line.
  public func start() throws(HTTPServerError) {
    let started = try SystemThread { [self] in run() }
    thread.withLock { $0 = started }
  }

  /// Writes the lines that wait, and ends. A descriptor that takes nothing is given up when the time
  /// is over. Later lines are dropped.
  public func stop(within limit: Duration) {
    let deadline = monotonicNanoseconds() + UInt64(max(0, limit / .nanoseconds(1)))
    state.withLock { $0.isStopping = true }
    state.broadcast()
    let hasEnded = state.wait(until: deadline) { $0.hasEnded ? true : nil } ?? false
    let started = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    hasEnded ? started?.join() : started?.detach()
  }

  /// A handler for `LoggingSystem.bootstrap` that writes to this queue.
  public func handler(label: String) -> any LogHandler {
    Self.handler(format, label) { [self] in append($0) }
  }

  /// The lines that were dropped since the start.
  var droppedLines: Int { state.withLock { $0.dropped } }

  func append(_ line: [UInt8]) {
    let wakesWriter = state.withLock { state in
      guard !state.isStopping, state.lines < limits.lines,
        line.count <= limits.bytes - state.waiting.count
      else {
        state.drop(1)
        return false
      }
      state.waiting += line
      state.lines += 1
      defer { state.isIdle = false }
      return state.isIdle
    }
    if wakesWriter { state.broadcast() }
  }

  // MARK: The writer

  private func run() {
    var output = LogOutput(descriptor)
    while let (lines, unreported) = next() {
      let lost = output.put(lines)
      if lost > 0 { state.withLock { $0.drop(lost) } }
      guard unreported > 0, lost > 0 || output.put(note(unreported)) > 0 else { continue }
      state.withLock { $0.unreported += unreported }
    }
    state.withLock { $0.hasEnded = true }
    state.broadcast()
  }

  /// Waits for lines.
  ///
  /// - Returns: the lines, and the number of lines dropped after them; nil at the end
  private func next() -> (lines: [UInt8], unreported: Int)? {
    state.wait { state -> (lines: [UInt8], unreported: Int)?? in
      guard state.lines > 0 else {
        if state.isStopping { return .some(nil) }
        state.isIdle = true
        return nil
      }
      defer {
        state.waiting = []
        state.lines = 0
        state.unreported = 0
      }
      return (state.waiting, state.unreported)
    }
  }

  private func note(_ count: Int) -> [UInt8] {
    let note = Monitor<[UInt8]>([])
    let logger = Logger(label: "ntm") { label in
      Self.handler(format, label) { line in note.withLock { $0 += line } }
    }
    logger.warning(
      "\(count) \(count == 1 ? "line" : "lines") dropped: the log could not be written fast enough",
      metadata: ["dropped": .stringConvertible(count)])
    return note.withLock { $0 }
  }

  private static func handler(
    _ format: Format, _ label: String, _ take: @escaping @Sendable ([UInt8]) -> Void
  ) -> any LogHandler {
    switch format {
    case .text: StreamLogHandler(label: label, stream: LineStream(take: take))
    case .json: JSONLogHandler(label: label, write: take)
    }
  }
}

/// Gives each line of a `StreamLogHandler` to a function.
private struct LineStream: TextOutputStream, Sendable {
  let take: @Sendable ([UInt8]) -> Void

  /// - Parameter line: with its end
  mutating func write(_ line: String) {
    let text = String(line.unicodeScalars.dropLast()).escapingControls
    take(Array(text.utf8) + [UInt8(ascii: "\n")])
  }
}

/// Writes lines to a descriptor, which may be one that blocks or one that does not.
private struct LogOutput {
  private let descriptor: Int32
  /// Whether the last line was cut off.
  private var isMidLine = false

  private static let lineEnd = UInt8(ascii: "\n")

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// - Returns: the number of lines that could not be written
  mutating func put(_ lines: [UInt8]) -> Int {
    var rest = (isMidLine ? [Self.lineEnd] + lines : lines)[...]
    while let last = rest.last {
      let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        isMidLine = rest[rest.startIndex + count - 1] != Self.lineEnd
        rest = rest.dropFirst(count)
        continue
      }
      switch errno {
      case EINTR: continue
      case EAGAIN: waitUntilWritable()
      default:
        // No reader, no space, a limit on the file's size.
        return rest.count { $0 == Self.lineEnd } + (last == Self.lineEnd ? 0 : 1)
      }
    }
    return 0
  }

  private func waitUntilWritable() {
    var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    _ = poll(&request, 1, -1)
  }
}
