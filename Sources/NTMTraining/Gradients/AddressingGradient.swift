import NTMModel

/// The derivative of addressing: from the gradient of a weighting to those of the head's parameters,
/// of the memory that it addressed and of the weighting before it (paper, equations 5 to 9).
struct AddressingGradient {
  let addressing: AddressingStep
  /// Four vectors of padded rows.
  let scratch: UnsafeMutablePointer<Float>

  private var kernels: Kernels { addressing.kernels }
  private var rows: Int { addressing.rows }
  private var paddedRows: Int { addressing.shape.paddedRows }

  /// What the forward pass left of one head at one step.
  struct Record {
    /// In blocks.
    let memory: UnsafePointer<Float>
    /// All heads' parameters.
    let values: UnsafePointer<Float>
    /// w_{t−1}
    let before: UnsafePointer<Float>
    /// w^c
    let content: UnsafePointer<Float>
    /// w̃, where there is a shift
    let shifted: UnsafePointer<Float>
    /// w_t
    let weighting: UnsafePointer<Float>
  }

  /// - Parameters:
  ///   - dWeighting: the gradient of w_t, padded with zeros; overwritten
  ///   - dValues: the gradients of k, β, g, s and γ, set or added to
  ///   - dMemory: the gradient of the memory, added to
  ///   - dBefore: the gradient of w_{t−1}, added to
  func run(
    _ head: HeadParameters, _ record: Record, dWeighting: UnsafeMutablePointer<Float>,
    dValues: UnsafeMutablePointer<Float>, dMemory: UnsafeMutablePointer<Float>,
    dBefore: UnsafeMutablePointer<Float>
  ) {
    let interpolated = scratch
    interpolated.update(from: record.content, count: paddedRows)
    if let gate = head.gate {
      kernels.interpolate(
        interpolated, before: record.before, gate: record.values[gate], count: paddedRows)
    }
    var gradient = dWeighting
    if let index = head.sharpening {
      let base = head.shift == nil ? UnsafePointer(interpolated) : record.shifted
      dValues[index] = kernels.sharpenGradient(
        base, weighting: record.weighting, rows: rows, sharpening: record.values[index],
        gradient)
    }
    if let range = head.shift {
      gradient = unshift(
        gradient, interpolated, record.values + range.lowerBound, dValues + range.lowerBound)
    }
    if let gate = head.gate {
      dValues[gate] = kernels.interpolateGradient(
        gradient, content: record.content, before: record.before, gate: record.values[gate],
        dBefore: dBefore, count: paddedRows)
    }
    unaddress(head, record, gradient, dValues, dMemory)
  }

  /// Of the shift: gives the gradient of w^g.
  private func unshift(
    _ dShifted: UnsafeMutablePointer<Float>, _ interpolated: UnsafePointer<Float>,
    _ shift: UnsafePointer<Float>, _ dShift: UnsafeMutablePointer<Float>
  ) -> UnsafeMutablePointer<Float> {
    let result = scratch + paddedRows
    result.update(repeating: 0, count: paddedRows)
    switch addressing.addressing.shift {
    case .continuous:
      let (first, part) = addressing.split(shift[0])
      let second = (first + 1) % rows
      dShift[0] =
        moved(interpolated, by: second, dot: dShifted)
        - moved(interpolated, by: first, dot: dShifted)
      addressing.add(dShifted, movedBy: (rows - first) % rows, times: 1 - part, to: result)
      addressing.add(dShifted, movedBy: (rows - second) % rows, times: part, to: result)
    case .taps:
      for (index, tap) in addressing.taps.enumerated() {
        dShift[index] = moved(interpolated, by: tap, dot: dShifted)
        addressing.add(dShifted, movedBy: (rows - tap) % rows, times: shift[index], to: result)
      }
    case nil: break
    }
    return result
  }

  /// Σ_i w(i − tap) d(i)
  private func moved(
    _ weighting: UnsafePointer<Float>, by tap: Int, dot d: UnsafePointer<Float>
  ) -> Float {
    kernels.dot(weighting + (rows - tap), d, count: tap)
      + kernels.dot(weighting, d + tap, count: rows - tap)
  }

  /// Of content addressing, whose similarities are computed once more.
  private func unaddress(
    _ head: HeadParameters, _ record: Record, _ dContent: UnsafePointer<Float>,
    _ dValues: UnsafeMutablePointer<Float>, _ dMemory: UnsafeMutablePointer<Float>
  ) {
    let cosine = addressing.addressing.similarity
    let key = record.values + head.key.lowerBound
    // `interpolated` is not needed any more; the gradient may be in the vector behind it.
    let dots = scratch
    let squares = scratch + 2 * paddedRows
    let dSquares = scratch + 3 * paddedRows
    let keySquare = kernels.similarity(
      record.memory, addressing.shape, key: key, offset: cosine.offset, dots: dots,
      squares: squares)
    var dStrength: Float = 0
    let dKeySquare = kernels.contentGradient(
      dots: dots, squares: squares, rows: rows, keySquare: keySquare, similarity: cosine,
      strength: head.strength.map { record.values[$0] } ?? 1, weighting: record.content,
      dWeighting: dContent, dDots: dots, dSquares: dSquares, dStrength: &dStrength)
    if let index = head.strength { dValues[index] = dStrength }
    kernels.similarityGradient(
      record.memory, addressing.shape, key: key, offset: cosine.offset, dDots: dots,
      dSquares: dSquares, dKeySquare: dKeySquare, dMemory: dMemory,
      dKey: dValues + head.key.lowerBound)
  }

  // MARK: Activations

  /// From the gradients of k, β, g, s and γ to those of the raw parameters, in the same places.
  ///
  /// - Parameter raw: after the clip
  func unactivate(
    _ head: HeadParameters, raw: UnsafePointer<Float>, values: UnsafePointer<Float>,
    dValues: UnsafePointer<Float>, dRaw: UnsafeMutablePointer<Float>
  ) {
    func apply(_ activation: Activation, _ range: Range<Int>, y: UnsafePointer<Float>? = nil) {
      kernels.applyGradient(
        activation, raw + range.lowerBound, y ?? values + range.lowerBound,
        dValues + range.lowerBound, dRaw + range.lowerBound, count: range.count)
    }
    func applyOne(_ activation: Activation?, _ index: Int?) {
      if let activation, let index { apply(activation, index..<index + 1) }
    }
    apply(addressing.addressing.key, head.key)
    applyOne(addressing.addressing.strength, head.strength)
    applyOne(addressing.addressing.gate, head.gate)
    if let index = head.sharpening, let activation = addressing.addressing.sharpening?.activation {
      // γ = 1 + y
      var y = values[index] - 1
      apply(activation, index..<index + 1, y: &y)
    }
    if let range = head.shift {
      unactivateShift(
        raw + range.lowerBound, values + range.lowerBound, dValues + range.lowerBound,
        dRaw + range.lowerBound)
    }
  }

  private func unactivateShift(
    _ raw: UnsafePointer<Float>, _ values: UnsafePointer<Float>, _ dValues: UnsafePointer<Float>,
    _ dRaw: UnsafeMutablePointer<Float>
  ) {
    switch addressing.addressing.shift {
    case .continuous(let scale):
      let sigmoid = (values[0] / scale + 1) / 2
      dRaw[0] = dValues[0] * scale * 2 * sigmoid * (1 - sigmoid)
    case .taps(let taps, let activation):
      var mean: Float = 0
      for index in taps.indices { mean += values[index] * dValues[index] }
      for index in taps.indices {
        let isFlat = activation == .softmaxOfRelu && raw[index] <= 0
        dRaw[index] = isFlat ? 0 : values[index] * (dValues[index] - mean)
      }
    case nil: break
    }
  }
}
