/// A model's trained values: one canonical set of matrices, whatever implementation trained them.
package struct Weights: ~Copyable, Sendable {
  /// One tensor: its name in a model file, its shape (row-major) and where it lies in `buffer`.
  package struct Tensor: Equatable, Sendable {
    package let name: String
    package let shape: [Int]
    package let offset: Int

    package init(name: String, shape: [Int], offset: Int) {
      self.name = name
      self.shape = shape
      self.offset = offset
    }

    package var count: Int { shape.reduce(1, *) }
    /// Values of one row: the last dimension.
    var rowCount: Int { shape.last ?? 1 }
  }

  /// A linear map y = W x + b.
  package struct Linear: Equatable, Sendable {
    /// W, outputs × inputs
    package let weight: Tensor
    /// b, outputs
    package let bias: Tensor
    package let outputs: Int
    package let inputs: Int
  }

  /// Where every tensor of a configuration lies.
  package struct Layout: Sendable {
    /// Each layer of the controller. An LSTM's takes [input, h] and gives the sums of the input,
    /// forget, cell and output gates, H rows each; a feed-forward one takes its input, gives H.
    package let controller: [Linear]
    /// h_t to the parameters of all heads; `HeadParameters` says which row is which.
    package let heads: Linear
    /// [h_t, r_t…] or h_t to the logits.
    package let output: Linear
    package let count: Int

    package init(_ configuration: Configuration) {
      var end = 0
      func tensor(_ name: String, _ shape: [Int]) -> Tensor {
        defer { end += Kernels.padded(shape.reduce(1, *)) }
        return Tensor(name: name, shape: shape, offset: end)
      }
      func linear(_ name: String, outputs: Int, inputs: Int) -> Linear {
        Linear(
          weight: tensor("\(name).weight", [outputs, inputs]),
          bias: tensor("\(name).bias", [outputs]), outputs: outputs, inputs: inputs)
      }
      let units = configuration.controller.units
      let isLSTM = configuration.controller.kind == .lstm
      controller = (0..<configuration.controller.layers).map { layer in
        let input = layer == 0 ? configuration.controllerInputSize : units
        return linear(
          "controller.\(layer)", outputs: isLSTM ? 4 * units : units,
          inputs: isLSTM ? input + units : input)
      }
      heads = linear(
        "heads", outputs: configuration.headParameters.last?.range.upperBound ?? 0, inputs: units)
      output = linear(
        "output", outputs: configuration.outputSize, inputs: configuration.outputInputSize)
      count = end
    }

    package var tensors: [Tensor] {
      (controller + [heads, output]).flatMap { [$0.weight, $0.bias] }
    }
  }

  let layout: Layout
  /// In double precision, because products are (see `BLAS`); every value is a float32.
  private let buffer: AlignedBuffer<Double>

  /// - Parameter fill: writes the values of a range of one tensor, counted row-major, at the
  ///   pointer
  init(
    layout: Layout, fill: (Tensor, Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let buffer = try AlignedBuffer<Double>(zeros: layout.count)
    for tensor in layout.tensors {
      let row = UnsafeMutablePointer<Float>.allocate(capacity: tensor.rowCount)
      defer { row.deallocate() }
      for start in stride(from: 0, to: tensor.count, by: tensor.rowCount) {
        try fill(tensor, start..<start + tensor.rowCount, row)
        for index in 0..<tensor.rowCount {
          buffer.base[tensor.offset + start + index] = Double(row[index])
        }
      }
    }
    self.layout = layout
    self.buffer = buffer
  }

  @inline(__always)
  private func pointer(_ tensor: Tensor) -> UnsafePointer<Double> {
    UnsafePointer(buffer.base + tensor.offset)
  }

  /// Shows a tensor's values in order, row by row.
  func readChunks(of tensor: Tensor, _ show: (UnsafeBufferPointer<Float>) -> Void) {
    let values = pointer(tensor)
    for start in stride(from: 0, to: tensor.count, by: tensor.rowCount) {
      let row = (start..<start + tensor.rowCount).map { Float(values[$0]) }
      row.withUnsafeBufferPointer(show)
    }
  }

  /// y = W x + b, rounded once.
  ///
  /// - Parameters:
  ///   - x: inputs
  ///   - y: outputs
  ///   - scratch: room for inputs + outputs values
  func apply(
    _ map: Linear, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Double>
  ) {
    let sums = scratch + map.inputs
    for index in 0..<map.inputs { scratch[index] = Double(x[index]) }
    sums.update(from: pointer(map.bias), count: map.outputs)
    BLAS.multiplyAdd(
      pointer(map.weight), rows: map.outputs, columns: map.inputs, scratch, into: sums)
    for index in 0..<map.outputs { y[index] = Float(sums[index]) }
  }
}
