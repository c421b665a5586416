/// From a head's parameters to its weighting (paper, section 3.3).
package struct AddressingStep: Sendable {
  package let addressing: Addressing
  package let rows: Int
  package let shape: Kernels.Shape
  package let kernels: Kernels
  /// The shift's displacements as 0..<N.
  package let taps: [Int]

  package init(_ configuration: Configuration, kernels: Kernels) {
    addressing = configuration.dialect.addressing
    rows = configuration.memory.rows
    shape = Kernels.Shape(
      blocks: Kernels.padded(rows) / Kernels.lanes, columns: configuration.memory.columns)
    self.kernels = kernels
    let rows = rows
    taps =
      if case .taps(let taps, _) = addressing.shift {
        taps.map { (($0 % rows) + rows) % rows }
      } else { [] }
  }

  // MARK: Weighting

  /// What a key has in common with each row: N values each, padded.
  package struct Similarity {
    /// k · M(i), which addressing uses up
    let dots: UnsafeMutablePointer<Float>
    /// |M(i)|²
    let squares: UnsafePointer<Float>
    /// |k|²
    let keySquare: Float

    package init(
      dots: UnsafeMutablePointer<Float>, squares: UnsafePointer<Float>, keySquare: Float
    ) {
      self.dots = dots
      self.squares = squares
      self.keySquare = keySquare
    }
  }

  /// w_t of one head.
  ///
  /// - Parameters:
  ///   - similarity: of its key, as `Kernels.similarity` gives it
  ///   - values: all heads' parameters after `activate`
  ///   - before: w_{t−1}, N values, padded
  ///   - shifted: N values, padded; afterwards w̃, where there is a shift
  ///   - weighting: w_t, N values, padded
  ///   - content: takes a copy of w^c, for training
  package func address(
    _ similarity: Similarity, with head: HeadParameters, values: UnsafePointer<Float>,
    before: UnsafePointer<Float>, shifted: UnsafeMutablePointer<Float>,
    into weighting: UnsafeMutablePointer<Float>, content: UnsafeMutablePointer<Float>? = nil
  ) {
    // w^c (equation 5)
    kernels.content(
      dots: similarity.dots, squares: similarity.squares, rows: rows,
      keySquare: similarity.keySquare, similarity: addressing.similarity,
      strength: head.strength.map { values[$0] } ?? 1, into: weighting)
    content?.update(from: weighting, count: shape.paddedRows)
    // w^g (equation 7)
    if let gate = head.gate {
      kernels.interpolate(weighting, before: before, gate: values[gate], count: shape.paddedRows)
    }
    // w̃ (equation 8)
    if let shift = head.shift {
      convolve(weighting, by: values + shift.lowerBound, into: shifted)
      weighting.update(from: shifted, count: rows)
    }
    // w (equation 9)
    if let sharpening = head.sharpening {
      kernels.sharpen(
        weighting, rows: rows, sharpening: values[sharpening],
        epsilon: addressing.sharpening?.epsilon ?? 0)
    }
  }

  private func convolve(
    _ weighting: UnsafePointer<Float>, by shift: UnsafePointer<Float>,
    into shifted: UnsafeMutablePointer<Float>
  ) {
    shifted.update(repeating: 0, count: rows)
    if case .continuous = addressing.shift {
      guard shift[0].isFinite else {
        shifted.update(repeating: .nan, count: rows)
        return
      }
      let (first, part) = split(shift[0])
      add(weighting, movedBy: first, times: 1 - part, to: shifted)
      add(weighting, movedBy: (first + 1) % rows, times: part, to: shifted)
    } else {
      for (i, tap) in taps.enumerated() {
        add(weighting, movedBy: tap, times: shift[i], to: shifted)
      }
    }
  }

  /// A displacement as the nearer tap towards lower rows, in 0..<N, and the part of the way to the
  /// next.
  package func split(_ displacement: Float) -> (first: Int, part: Float) {
    let whole = displacement.rounded(.down)
    return (((Int(whole) % rows) + rows) % rows, displacement - whole)
  }

  /// shifted(i) += scale · weighting(i − tap), indices modulo N, 0 ≤ tap < N.
  package func add(
    _ weighting: UnsafePointer<Float>, movedBy tap: Int, times scale: Float,
    to shifted: UnsafeMutablePointer<Float>
  ) {
    kernels.accumulate(shifted, weighting + (rows - tap), scale: scale, count: tap)
    kernels.accumulate(shifted + tap, weighting, scale: scale, count: rows - tap)
  }
}
