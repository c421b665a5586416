/// A model's trained values: one canonical set of matrices, whatever implementation trained them.
struct Weights: ~Copyable, Sendable {
  /// One tensor: its name in a model file, its shape (row-major) and where it lies in `buffer`.
  struct Tensor: Equatable, Sendable {
    let name: String
    let shape: [Int]
    let offset: Int
    var count: Int { shape.reduce(1, *) }
  }

  /// A linear map y = W x + b.
  struct Linear: Equatable, Sendable {
    /// W, outputs × inputs
    let weight: Tensor
    /// b, outputs
    let bias: Tensor
    var outputs: Int { weight.shape[0] }
    var inputs: Int { weight.shape[1] }
  }

  /// Where every tensor of a configuration lies.
  struct Layout: Sendable {
    /// Each layer of the controller. An LSTM's takes [input, h] and gives the sums of the input,
    /// forget, cell and output gates, H rows each; a feed-forward one takes its input, gives H.
    let controller: [Linear]
    /// h_t to the parameters of all heads; `HeadParameters` says which row is which.
    let heads: Linear
    /// [h_t, r_t…] or h_t to the logits.
    let output: Linear
    let count: Int

    init(_ configuration: Configuration) {
      var end = 0
      func tensor(_ name: String, _ shape: [Int]) -> Tensor {
        defer { end += Kernels.padded(shape.reduce(1, *)) }
        return Tensor(name: name, shape: shape, offset: end)
      }
      func linear(_ name: String, outputs: Int, inputs: Int) -> Linear {
        Linear(
          weight: tensor("\(name).weight", [outputs, inputs]), bias: tensor("\(name).bias", [outputs])
        )
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

    var tensors: [Tensor] { (controller + [heads, output]).flatMap { [$0.weight, $0.bias] } }
  }

  let layout: Layout
  let buffer: AlignedBuffer

  /// - Parameter fill: writes one tensor's values, row-major, at the pointer.
  init(
    layout: Layout, fill: (Tensor, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let buffer = try AlignedBuffer(zeros: layout.count)
    for tensor in layout.tensors { try fill(tensor, buffer.base + tensor.offset) }
    self.layout = layout
    self.buffer = buffer
  }

  @inline(__always)
  func pointer(_ tensor: Tensor) -> UnsafePointer<Float> {
    UnsafePointer(buffer.base + tensor.offset)
  }

  /// y = W x + b.
  @inline(__always)
  func apply(
    _ map: Linear, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
  ) {
    BLAS.multiply(
      pointer(map.weight), rows: map.outputs, columns: map.inputs, bias: pointer(map.bias), x,
      into: y)
  }
}
