/// The largest weights of a weighting.
enum LargestWeights {
  /// Finds them, without allocation unless they are many, in a time that grows with the rows and the
  /// logarithm of the count.
  ///
  /// - Parameters:
  ///   - count: how many; all where there are fewer
  ///   - weighting: w, of N finite weights
  ///   - body: gets their rows, that of the largest weight first; of equal ones the first row
  static func withRows(
    _ count: Int, of weighting: UnsafeBufferPointer<Float>,
    _ body: (UnsafeBufferPointer<Int>) -> Void
  ) {
    let count = min(count, weighting.count)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: count) { rows in
      for row in 0..<count { rows.initializeElement(at: row, to: row) }

      func isBehind(_ row: Int, _ other: Int) -> Bool {
        let (weight, otherWeight) = (weighting[row], weighting[other])
        return weight < otherWeight || weight == otherWeight && row > other
      }

      /// Makes a heap of the rows up to `end`, which those behind `start` are: none is behind the one
      /// from whose place it is reached.
      func sink(_ start: Int, to end: Int) {
        var place = start
        while true {
          var last = place
          for next in 2 * place + 1...2 * place + 2
          where next < end && isBehind(rows[next], rows[last]) {
            last = next
          }
          if last == place { return }
          rows.swapAt(place, last)
          place = last
        }
      }

      for start in (0..<count / 2).reversed() { sink(start, to: count) }
      // The first is behind all others, and gives way to what is not behind it.
      for row in count..<weighting.count where isBehind(rows[0], row) {
        rows[0] = row
        sink(0, to: count)
      }
      for end in (1..<max(1, count)).reversed() {
        rows.swapAt(0, end)
        sink(0, to: end)
      }
      body(UnsafeBufferPointer(rows))
    }
  }
}
