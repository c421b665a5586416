/// How long something took, counted by classes: for Prometheus, which makes quantiles of them. One
/// object holds several series that have the same classes.
final class Histogram: Sendable {
  /// Upper bounds of the classes in nanoseconds, in order; one more class has all beyond.
  let bounds: [UInt64]
  private let cells: CounterCells
  /// Cells of a series: the classes, then the sum.
  private let perSeries: Int

  init(bounds: [UInt64], series: Int = 1) {
    self.bounds = bounds
    perSeries = bounds.count + 2
    cells = CounterCells(count: perSeries * series)
  }

  func observe(_ nanoseconds: UInt64, series: Int = 0) {
    // Most are short, and a handful of comparisons is as fast as anything cleverer.
    let index = bounds.firstIndex { nanoseconds <= $0 } ?? bounds.count
    let own = cells.own
    own.add(1, to: series * perSeries + index)
    own.add(Int(clamping: nanoseconds), to: series * perSeries + perSeries - 1)
  }

  struct Reading {
    /// In each class.
    let counts: [Int]
    let nanoseconds: Int
    var count: Int { counts.reduce(0, +) }
  }

  func reading(series: Int = 0) -> Reading {
    let first = series * perSeries
    return Reading(
      counts: (0...bounds.count).map { cells.total(first + $0) },
      nanoseconds: cells.total(first + perSeries - 1))
  }

  /// 1, 2 and 5 times each power of ten from `first` to `last`, in nanoseconds.
  static func bounds(from first: UInt64, to last: UInt64) -> [UInt64] {
    sequence(first: first) { bound in
      let leading = String(bound).first
      return leading == "2" ? bound / 2 * 5 : bound * 2
    }.prefix { $0 <= last }.map { $0 }
  }
}
