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
    /// Floats that it takes where it lies: those of whole vectors of rows.
    package var room: Int { shape.dropFirst().reduce(Kernels.padded(shape[0]), *) }
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
        let tensor = Tensor(name: name, shape: shape, offset: end)
        end += tensor.room
        return tensor
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
  /// Tensors at their offsets, those of two dimensions in panels (see `place`).
  private let buffer: AlignedBuffer<Float>

  /// - Parameter fill: writes the values of a range of one tensor, counted row-major, at the
  ///   pointer
  init(
    layout: Layout, fill: (Tensor, Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let buffer = try AlignedBuffer<Float>(zeros: layout.count)
    for tensor in layout.tensors {
      let row = UnsafeMutablePointer<Float>.allocate(capacity: tensor.rowCount)
      defer { row.deallocate() }
      for start in stride(from: 0, to: tensor.count, by: tensor.rowCount) {
        try fill(tensor, start..<start + tensor.rowCount, row)
        for index in 0..<tensor.rowCount {
          buffer.base[Self.place(start + index, of: tensor)] = row[index]
        }
      }
    }
    self.layout = layout
    self.buffer = buffer
  }

  /// Where a value lies, counted row-major: a matrix is in panels of `Kernels.lanes` rows, of each the
  /// first column, then the second, and so on.
  private static func place(_ index: Int, of tensor: Tensor) -> Int {
    guard tensor.shape.count == 2 else { return tensor.offset + index }
    let (row, column) = index.quotientAndRemainder(dividingBy: tensor.rowCount)
    return tensor.offset + Kernels.blockedIndex(row, column, columns: tensor.rowCount)
  }

  /// Shows a tensor's values in order, row by row.
  func readChunks(of tensor: Tensor, _ show: (UnsafeBufferPointer<Float>) -> Void) {
    for start in stride(from: 0, to: tensor.count, by: tensor.rowCount) {
      let row = (start..<start + tensor.rowCount).map {
        buffer.base[Self.place($0, of: tensor)]
      }
      row.withUnsafeBufferPointer(show)
    }
  }

  /// The largest of what `size` gives for the rows of a tensor; 0 where it has none.
  func largest(_ tensor: Tensor, _ size: (UnsafeBufferPointer<Float>) -> Double) -> Double {
    var largest = 0.0
    readChunks(of: tensor) { largest = max(largest, size($0)) }
    return largest
  }

  /// A map as the kernels take it, valid as long as the weights.
  func map(_ linear: Linear) -> LinearMap {
    LinearMap(
      packed: buffer.base + linear.weight.offset, bias: buffer.base + linear.bias.offset,
      inputs: linear.inputs, outputs: linear.outputs)
  }
}
