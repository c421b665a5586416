package import NTMModel

/// Values for every parameter of a configuration, or a number for each such as its gradient, in the
/// order of `ParameterLayout`.
///
/// `@unchecked Sendable`: as with any buffer, whoever shares it sees to it that nobody reads what
/// another thread writes.
package final class ParameterVector: @unchecked Sendable {
  package let layout: ParameterLayout
  private let buffer: AlignedBuffer<Float>

  package var values: UnsafeMutablePointer<Float> { buffer.base }

  package init(zerosFor configuration: Configuration) throws(AllocationError) {
    layout = ParameterLayout(configuration)
    buffer = try AlignedBuffer<Float>(zeros: layout.count)
  }

  func copy() throws(AllocationError) -> ParameterVector {
    ParameterVector(layout: layout, buffer: try buffer.copy())
  }

  private init(layout: ParameterLayout, buffer: consuming AlignedBuffer<Float>) {
    self.layout = layout
    self.buffer = buffer
  }

  /// The parameters of a model.
  package convenience init(_ model: Model) throws {
    try self.init(zerosFor: model.configuration)
    for tensor in model.tensors {
      guard let place = layout.tensors.first(where: { $0.name == tensor.name }) else { continue }
      (values + place.offset).update(from: tensor.values, count: place.count)
    }
    for (place, part) in zip(layout.start, model.configuration.start.parts) {
      guard case .constant(let constant) = part.value else { continue }
      (values + place.offset).update(repeating: constant, count: place.count)
    }
  }
}
