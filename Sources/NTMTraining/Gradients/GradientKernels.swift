internal import CNTMKernels
import NTMModel

/// The derivatives of the kernels; `CNTMKernels.h` says what each takes and gives.
extension Kernels {
  private var gradients: UnsafePointer<ntm_gradients> { table.pointee.gradients }

  func applyGradient(
    _ activation: Activation, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
    _ dY: UnsafePointer<Float>, _ dX: UnsafeMutablePointer<Float>, count: Int
  ) {
    gradients.pointee.apply(activation.function, x, y, dY, dX, count)
  }

  func lstmGradient(
    gates: UnsafePointer<Float>, cellBefore: UnsafePointer<Float>, cell: UnsafePointer<Float>,
    dHidden: UnsafePointer<Float>, dCell: UnsafeMutablePointer<Float>,
    dGates: UnsafeMutablePointer<Float>, units: Int
  ) {
    gradients.pointee.lstm(gates, cellBefore, cell, dHidden, dCell, dGates, units)
  }

  func similarityGradient(
    _ memory: UnsafePointer<Float>, _ shape: Shape, key: UnsafePointer<Float>, offset: Float,
    dDots: UnsafePointer<Float>, dSquares: UnsafePointer<Float>, dKeySquare: Float,
    dMemory: UnsafeMutablePointer<Float>, dKey: UnsafeMutablePointer<Float>
  ) {
    gradients.pointee.similarity(
      memory, shape.blocks, shape.columns, key, offset, dDots, dSquares, dKeySquare, dMemory, dKey)
  }

  /// - Returns: the gradient of the key's square
  func contentGradient(
    dots: UnsafePointer<Float>, squares: UnsafePointer<Float>, rows: Int, keySquare: Float,
    similarity: Cosine, strength: Float, weighting: UnsafePointer<Float>,
    dWeighting: UnsafePointer<Float>, dDots: UnsafeMutablePointer<Float>,
    dSquares: UnsafeMutablePointer<Float>, dStrength: inout Float
  ) -> Float {
    gradients.pointee.content(
      dots, squares, rows, keySquare, similarity.guard.kernelGuard, similarity.epsilon, strength,
      weighting, dWeighting, dDots, dSquares, &dStrength)
  }

  /// - Returns: the gradient of the gate
  func interpolateGradient(
    _ dWeighting: UnsafeMutablePointer<Float>, content: UnsafePointer<Float>,
    before: UnsafePointer<Float>, gate: Float, dBefore: UnsafeMutablePointer<Float>, count: Int
  ) -> Float {
    gradients.pointee.interpolate(dWeighting, content, before, gate, dBefore, count)
  }

  func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Float {
    gradients.pointee.dot(x, y, count)
  }

  /// - Returns: the gradient of the sharpening
  func sharpenGradient(
    _ shifted: UnsafePointer<Float>, weighting: UnsafePointer<Float>, rows: Int, sharpening: Float,
    _ dWeighting: UnsafeMutablePointer<Float>
  ) -> Float {
    gradients.pointee.sharpen(shifted, weighting, rows, sharpening, dWeighting)
  }

  func readGradient(
    _ memory: UnsafePointer<Float>, _ shape: Shape, weighting: UnsafePointer<Float>,
    dRead: UnsafePointer<Float>, dMemory: UnsafeMutablePointer<Float>,
    dWeighting: UnsafeMutablePointer<Float>
  ) {
    gradients.pointee.read(
      memory, shape.blocks, shape.columns, weighting, dRead, dMemory, dWeighting)
  }

  func writeHeadGradient(
    from: UnsafePointer<Float>, dMemory: UnsafePointer<Float>, _ shape: Shape,
    heads: UnsafePointer<HeadWrite>, count: Int, head: Int,
    dWeighting: UnsafeMutablePointer<Float>, dErase: UnsafeMutablePointer<Float>,
    dAdd: UnsafeMutablePointer<Float>
  ) {
    gradients.pointee.write_head(
      from, dMemory, shape.blocks, shape.columns, heads, count, head, dWeighting, dErase, dAdd)
  }

  func writeMemoryGradient(
    _ dMemory: UnsafeMutablePointer<Float>, _ shape: Shape, heads: UnsafePointer<HeadWrite>,
    count: Int
  ) {
    gradients.pointee.write_memory(dMemory, shape.blocks, shape.columns, heads, count)
  }
}
