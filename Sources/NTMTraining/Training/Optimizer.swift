internal import CNTMKernels
import NTMModel

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Changes parameters by their gradients, and holds what it remembers of earlier ones.
final class Optimizer {
  let rule: OptimizerRule
  /// The gradient's largest norm for Adam, its elements' largest magnitude for RMSProp.
  private let clip: Float
  /// The parameters that change, in whole vectors.
  private let learned: [Range<Int>]
  private let count: Int
  private let kernels: Kernels
  private let buffer: AlignedBuffer<Float>
  private(set) var updates = 0

  private var rmsProp: ntm_rmsprop
  private var adam = ntm_adam(mean_decay: 0.9, square_decay: 0.999, epsilon: 1e-8)

  /// Vectors of moments, each as long as the parameters: for RMSProp mean square, mean and last
  /// change; for Adam mean and mean square.
  static func momentCount(_ rule: OptimizerRule) -> Int { rule == .rmsProp ? 3 : 2 }

  init(
    _ rule: OptimizerRule, clip: Float, learned: [Range<Int>], count: Int, kernels: Kernels = .best
  ) throws(AllocationError) {
    self.rule = rule
    self.clip = clip
    self.learned = learned
    self.count = count
    self.kernels = kernels
    rmsProp = ntm_rmsprop(decay: 0.95, momentum: 0.9, epsilon: 1e-4, clip: clip)
    buffer = try AlignedBuffer(zeros: Self.momentCount(rule) * count)
  }

  /// All moments one after another.
  var moments: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: buffer.base, count: buffer.count)
  }

  /// Goes on from moments of an earlier time.
  func restore(_ moments: UnsafePointer<Float>, updates: Int) {
    buffer.base.update(from: moments, count: buffer.count)
    self.updates = updates
  }

  /// The norm of the gradient of all that is learned, before any clip.
  func norm(_ gradient: UnsafePointer<Float>) -> Float {
    let square = learned.reduce(Float(0)) { sum, range in
      let part = gradient + range.lowerBound
      return sum + kernels.dot(part, part, count: range.count)
    }
    return square.squareRoot()
  }

  /// Changes the parameters against their gradient.
  ///
  /// - Parameter norm: that of the gradient
  func update(
    _ parameters: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>, norm: Float,
    rate: Float
  ) {
    updates += 1
    let optimizers = kernels.table.pointee.optimizers!
    for range in learned {
      func moment(_ index: Int) -> UnsafeMutablePointer<Float> {
        buffer.base + index * count + range.lowerBound
      }
      let (values, slopes) = (parameters + range.lowerBound, gradient + range.lowerBound)
      switch rule {
      case .rmsProp:
        optimizers.pointee.rmsprop(
          values, slopes, moment(0), moment(1), moment(2), rate, &rmsProp, range.count)
      case .adam:
        // Both moments begin at zero; their means over the updates so far do not.
        let meanPart = 1 - pow(Double(adam.mean_decay), Double(updates))
        let squarePart = 1 - pow(Double(adam.square_decay), Double(updates))
        optimizers.pointee.adam(
          values, slopes, moment(0), moment(1), norm > clip ? clip / norm : 1,
          Float(Double(rate) / meanPart), Float(1 / squarePart.squareRoot()), &adam, range.count)
      }
    }
  }
}
