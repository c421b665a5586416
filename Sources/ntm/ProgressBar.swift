import NTMModel
import NTMTraining

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Says how a run is going: on a terminal as a bar that is drawn again several times a second,
/// elsewhere as a line at each interval.
struct ProgressBar {
  private let isTerminal = isatty(STDERR_FILENO) != 0
  private let unit: String
  private let total: Int
  private let clock = ContinuousClock()
  private let start: ContinuousClock.Instant
  private let firstSequences: Int
  private var lastDrawing: ContinuousClock.Instant?
  /// A mean of the training loss that follows the last hundred updates or so.
  private var recentLoss: Double?

  init(_ trainer: Trainer) {
    unit = Loss(trainer.configuration.dialect.output).unit
    total = trainer.options.sequences
    start = clock.now
    firstSequences = trainer.sequences
  }

  /// After an update.
  mutating func show(_ trainer: Trainer, _ record: TrainingRecord?) {
    let loss = trainer.last.loss
    if loss.isFinite { recentLoss = (recentLoss ?? loss) * 0.98 + loss * 0.02 }
    if isTerminal {
      if lastDrawing.map({ clock.now - $0 < .milliseconds(100) }) ?? false, record == nil { return }
      lastDrawing = clock.now
      say("\r\u{1B}[K" + bar(trainer))
    } else if let record {
      say(line(trainer, record) + "\n")
    }
  }

  /// Prints a line of its own.
  func warn(_ text: String) {
    say((isTerminal ? "\r\u{1B}[K" : "") + "warning: " + text + "\n")
  }

  /// Leaves the bar's line.
  func end() {
    if isTerminal { say("\n") }
  }

  private func bar(_ trainer: Trainer) -> String {
    let width = 20
    let part = min(1, Double(trainer.sequences) / Double(total))
    let full = Int(part * Double(width))
    let bar = String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
    return "\(bar) \(Int(part * 100)) %  " + figures(trainer, now: recentLoss ?? .nan)
  }

  private func line(_ trainer: Trainer, _ record: TrainingRecord) -> String {
    figures(trainer, now: record.validationLoss)
      + (record.beyondLoss.map { ", beyond \(Self.figure($0))" } ?? "")
  }

  private func figures(_ trainer: Trainer, now: Double) -> String {
    let elapsed = (clock.now - start) / .seconds(1)
    let speed = Double(trainer.sequences - firstSequences) / max(elapsed, 1e-9)
    let left = Double(max(0, total - trainer.sequences)) / max(speed, 1e-9)
    var text =
      "\(trainer.sequences)/\(total) sequences, \(Self.figure(now)) \(unit)"
      + (trainer.best.map { ", best \(Self.figure($0.validationLoss))" } ?? "")
      + ", gradient \(Self.figure(trainer.last.norm)), \(Int(speed))/s, \(Self.time(left)) left"
    if trainer.skipped > 0 { text += ", \(trainer.skipped) skipped" }
    if trainer.fallbacks > 0 { text += ", \(trainer.fallbacks) fallbacks" }
    return text
  }

  private func say(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
  }

  /// Three digits or so.
  static func figure(_ value: Double) -> String {
    guard value.isFinite else { return "–" }
    let decimals = abs(value) >= 100 ? 0 : abs(value) >= 10 ? 1 : abs(value) >= 0.1 ? 2 : 4
    var scale = 1
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (abs(value) * Double(scale)).rounded()
    guard scaled < 1e15 else { return "\(value)" }
    guard decimals > 0 else { return "\(value < 0 ? "-" : "")\(Int(scaled))" }
    let digits = String(Int(scaled) % scale)
    let fraction = String(repeating: "0", count: decimals - digits.count) + digits
    return "\(value < 0 ? "-" : "")\(Int(scaled) / scale).\(fraction)"
  }

  static func time(_ seconds: Double) -> String {
    let whole = Int(min(seconds, 1e8).rounded())
    let (hours, minutes) = (whole / 3600, whole / 60 % 60)
    let rest = whole % 60 < 10 ? "0\(whole % 60)" : "\(whole % 60)"
    return hours > 0
      ? "\(hours):\(minutes < 10 ? "0" : "")\(minutes):\(rest)" : "\(minutes):\(rest)"
  }
}
