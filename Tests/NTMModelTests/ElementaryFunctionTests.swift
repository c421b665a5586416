import Foundation
import NTMTestSupport
import Testing

@testable import NTMModel

/// The kernels' elementary functions against the C library's in double precision, on every variant.
struct ElementaryFunctionTests {
  /// What a function must be, and how far float32 may be from it.
  struct Function: Sendable, CustomTestStringConvertible {
    let activation: Activation
    let relative: Double
    /// Where the result is so small that a relative bound says nothing.
    let absolute: Double
    let exact: @Sendable (Double) -> Double
    var testDescription: String { activation.rawValue }
  }

  /// One unit in the last place is up to 1.2e-7; the smallest subnormal number is 1.4e-45.
  static let functions = [
    Function(activation: .identity, relative: 0, absolute: 0) { $0 },
    Function(activation: .relu, relative: 0, absolute: 0) { max($0, 0) },
    Function(activation: .exp, relative: 2e-7, absolute: 2.9e-45) { exp($0) },
    Function(activation: .tanh, relative: 3.5e-7, absolute: 0) { tanh($0) },
    // e^-x overflows below -88.7, where the result is under 3e-39.
    Function(activation: .sigmoid, relative: 4e-7, absolute: 3e-39) { 1 / (1 + exp(-$0)) },
    Function(activation: .softplus, relative: 4e-7, absolute: 2.9e-45) {
      max($0, 0) + log1p(exp(-abs($0)))
    },
  ]

  /// Every 16411th float of all there are, both signs, subnormal numbers and infinities among them,
  /// and 80 000 evenly spaced ones where the functions bend.
  static let samples: [Float] = {
    let everywhere = stride(from: UInt32(0), through: 0x7f80_0000, by: 16411).flatMap {
      [Float(bitPattern: $0), -Float(bitPattern: $0)]
    }
    let nearZero = (-40_000...40_000).map { Float($0) * 0.0005 }
    let edges: [Float] = [
      0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .leastNormalMagnitude,
      .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .infinity, -.infinity, 0.35, -0.35,
      Float(0.35).nextDown, 88.72283, 88.72284, 89, Float(89).nextUp, -87.33655, -103.97, -104,
      -105,
    ]
    return everywhere + nearZero + edges
  }()

  @Test(arguments: functions)
  func isAccurate(_ function: Function) {
    let got = runEverywhere { Self.apply($0, function.activation, Self.samples) }
    var worst = (relative: 0.0, at: Float(0))
    for (x, y) in zip(Self.samples, got) {
      let exact = function.exact(Double(x))
      if abs(exact) > Double(Float.greatestFiniteMagnitude) {
        #expect(y == (exact > 0 ? .infinity : -.infinity), "at \(x)")
        continue
      }
      let error = abs(Double(y) - exact)
      if error <= function.absolute || error == 0 { continue }
      let relative = error / abs(exact)
      if !(relative <= worst.relative) { worst = (relative, x) }
    }
    #expect(worst.relative <= function.relative, "\(worst)")
  }

  @Test(arguments: Activation.allCases, [1, 2, 15, 16, 17, 33])
  func keepsNaN(activation: Activation, count: Int) {
    for place in 0..<count {
      var x = Array(repeating: Float(0.5), count: count)
      x[place] = .nan
      let y = runEverywhere { Self.apply($0, activation, x) }
      for (index, value) in y.enumerated() {
        #expect(value.isNaN == (index == place), "\(value) at \(index), NaN at \(place)")
      }
    }
  }

  @Test(
    "Limits",
    arguments: [
      (.exp, .infinity, .infinity), (.exp, -.infinity, 0), (.exp, 0, 1), (.exp, 1e30, .infinity),
      (.exp, -1e30, 0), (.tanh, .infinity, 1), (.tanh, -.infinity, -1), (.tanh, 0, 0),
      (.tanh, 20, 1), (.sigmoid, .infinity, 1), (.sigmoid, -.infinity, 0), (.sigmoid, 0, 0.5),
      (.sigmoid, 40, 1), (.sigmoid, -200, 0), (.softplus, .infinity, .infinity),
      (.softplus, -.infinity, 0), (.relu, -.infinity, 0), (.relu, .infinity, .infinity),
    ] as [(Activation, Float, Float)])
  func hasItsLimits(activation: Activation, x: Float, y: Float) {
    #expect(runEverywhere { Self.apply($0, activation, [x]) } == [y])
  }

  /// Tails shorter than a vector leave what follows them alone, and x may be y.
  @Test(arguments: Activation.allCases, Array(1...34))
  func appliesToSoManyValues(activation: Activation, count: Int) {
    var random = SplitMix64(seed: UInt64(count))
    let x = random.values(count, within: 3)
    let sentinel: Float = 12345
    let room = x + Array(repeating: sentinel, count: 20)
    let y = runEverywhere { kernels in
      var values = room
      values.withUnsafeMutableBufferPointer {
        kernels.apply(activation, $0.baseAddress!, $0.baseAddress!, count: count)
      }
      return values
    }
    // One by one, each in the first lane.
    expectIdentical(y.prefix(count), x.flatMap { Self.apply(.best, activation, [$0]) })
    #expect(y.dropFirst(count).allSatisfy { $0 == sentinel })
  }

  // MARK: Powers

  /// Sharpening [1, x] gives x^γ as the ratio of its two weights.
  @Test(arguments: [1, 1.0001, 1.5, 2, 3, 5.3, 20, 101, 1000, 1e6, 1e30] as [Float])
  func powersAreAccurate(sharpening: Float) {
    let bases =
      (1...4000).map { Float($0) / 4000 }
      + stride(from: UInt32(1), to: Float(1).bitPattern, by: 400_009).map {
        Float(bitPattern: $0)
      } + [Float(1).nextDown, 0, .leastNonzeroMagnitude, .leastNormalMagnitude]
    for x in bases {
      let w = runEverywhere { Self.sharpened($0, [1, x], sharpening) }
      let power = pow(Double(x), Double(sharpening))
      let exact = power / (1 + power)
      let error = abs(Double(w[1]) - exact)
      #expect(error <= 1e-6 * exact + 2.9e-45, "\(x)^\(sharpening): \(w[1]), not \(exact)")
    }
  }

  @Test(arguments: [-1, -1e-30, .nan, -.infinity] as [Float])
  func powersOfNegativeNumbersAreNaN(base: Float) {
    let w = runEverywhere { Self.sharpened($0, [1, base, 0.5], 2) }
    #expect(w.allSatisfy { $0.isNaN })
  }

  // MARK: Calls

  static func apply(_ kernels: Kernels, _ activation: Activation, _ x: [Float]) -> [Float] {
    var y = Array(repeating: Float.nan, count: x.count)
    kernels.apply(activation, x, &y, count: x.count)
    return y
  }

  static func sharpened(
    _ kernels: Kernels, _ weighting: [Float], _ sharpening: Float, epsilon: Float = 0
  ) -> [Float] {
    var w = weighting.padded
    kernels.sharpen(&w, rows: weighting.count, sharpening: sharpening, epsilon: epsilon)
    return Array(w.prefix(weighting.count))
  }
}
