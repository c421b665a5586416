import Foundation
import NTMModel
import NTMTestSupport
import Testing

@testable import NTMTraining

/// The loss of a batch and its gradient.
struct BatchGradientTests {
  private static let steps = 5

  /// Sequences of random numbers, as long as each other.
  private static func episodes(
    _ count: Int, _ configuration: Configuration, steps: Int = steps, _ random: inout SplitMix64
  ) -> [Episode] {
    (0..<count).map { _ in
      var episode = Episode(size: steps)
      for _ in 0..<steps {
        episode.inputs.append(random.values(configuration.inputSize, within: 1))
        episode.targets.append(
          (0..<configuration.outputSize).map { _ in .random(in: 0...1, using: &random) })
        episode.mask.append(random.pick([0, 1, 1, 0.5]))
      }
      return episode
    }
  }

  private static func run(
    _ configuration: Configuration, _ episodes: [Episode], _ parameters: ParameterVector,
    room: Int = steps, threads: Int = 1
  ) throws -> (loss: Double, gradient: [Float]) {
    let batch = try BatchGradient(
      configuration, steps: room, batch: episodes.count, threads: threads)
    let gradient = try ParameterVector(zerosFor: configuration)
    // What is there before does not matter.
    gradient.values.update(repeating: 7, count: gradient.layout.count)
    let loss = batch.run(episodes, parameters, into: gradient)
    return (
      loss, Array(UnsafeBufferPointer(start: gradient.values, count: gradient.layout.count))
    )
  }

  /// Eight units, a memory of 8 × 4, and three heads.
  private static func small() -> Configuration {
    var configuration = TrainingSetup.tiny().configuration
    configuration.heads = [.read, .write, .readWrite]
    return configuration
  }

  @Test(arguments: [1, 7, 8, 9, 20])
  func isTheMeanOfItsSequences(_ count: Int) throws {
    var random = SplitMix64(seed: UInt64(count))
    let configuration = Self.small()
    let parameters = try ParameterVector(Model(configuration, random: &random))
    let episodes = Self.episodes(count, configuration, &random)
    // Room for longer sequences changes nothing.
    let together = try Self.run(configuration, episodes, parameters, room: Self.steps + 3)
    var loss = 0.0
    var gradient = [Double](repeating: 0, count: together.gradient.count)
    for episode in episodes {
      let alone = try Self.run(configuration, [episode], parameters)
      loss += alone.loss / Double(count)
      for index in gradient.indices {
        gradient[index] += Double(alone.gradient[index]) / Double(count)
      }
    }
    expectClose(together.loss, loss, within: 1e-5, "the loss")
    let largest = gradient.map(abs).max() ?? 0
    #expect(largest > 0)
    for index in gradient.indices {
      #expect(abs(Double(together.gradient[index]) - gradient[index]) < 1e-4 * largest)
    }
  }

  @Test func shortSequencesAfterLongOnes() throws {
    var random = SplitMix64(seed: 5)
    let configuration = Self.small()
    let parameters = try ParameterVector(Model(configuration, random: &random))
    let long = Self.episodes(3, configuration, &random)
    let short = Self.episodes(3, configuration, steps: 2, &random)
    let batch = try BatchGradient(configuration, steps: Self.steps, batch: 3, threads: 1)
    let gradient = try ParameterVector(zerosFor: configuration)
    _ = batch.run(long, parameters, into: gradient)
    let loss = batch.run(short, parameters, into: gradient)
    let fresh = try Self.run(configuration, short, parameters)
    #expect(loss == fresh.loss)
    let values = UnsafeBufferPointer(start: gradient.values, count: gradient.layout.count)
    #expect(values.map(\.bitPattern) == fresh.gradient.map(\.bitPattern))
  }

  @Test func threadsDoNotChangeIt() throws {
    var random = SplitMix64(seed: 3)
    let configuration = Self.small()
    let parameters = try ParameterVector(Model(configuration, random: &random))
    let episodes = Self.episodes(21, configuration, &random)
    let one = try Self.run(configuration, episodes, parameters)
    for threads in [2, 3, 5] {
      let other = try Self.run(configuration, episodes, parameters, threads: threads)
      #expect(other.loss == one.loss)
      #expect(other.gradient.map(\.bitPattern) == one.gradient.map(\.bitPattern))
    }
  }

  @Test func targetsOfMaskedStepsDoNotMatter() throws {
    var random = SplitMix64(seed: 4)
    let configuration = Self.small()
    let parameters = try ParameterVector(Model(configuration, random: &random))
    var episodes = Self.episodes(4, configuration, &random)
    for index in episodes.indices { episodes[index].mask = [1, 0, 1, 0.5, 0] }
    let before = try Self.run(configuration, episodes, parameters)
    for step in [1, 4] { episodes[2].targets[step] = [1e30, -7] }
    let masked = try Self.run(configuration, episodes, parameters)
    #expect(masked.loss == before.loss)
    #expect(masked.gradient.map(\.bitPattern) == before.gradient.map(\.bitPattern))
    // Those of the others do.
    episodes[2].targets[3][0] += 0.5
    let changed = try Self.run(configuration, episodes, parameters)
    #expect(changed.loss != before.loss)
    #expect(changed.gradient != before.gradient)
  }

  @Test func aBatchThatIsAllMaskedHasNoGradient() throws {
    var random = SplitMix64(seed: 6)
    let configuration = Self.small()
    let parameters = try ParameterVector(Model(configuration, random: &random))
    var episodes = Self.episodes(2, configuration, &random)
    for index in episodes.indices { episodes[index].mask = [0, 0, 0, 0, 0] }
    let result = try Self.run(configuration, episodes, parameters)
    #expect(result.loss == 0)
    #expect(result.gradient.allSatisfy { $0 == 0 })
  }

  // MARK: Against the formulas

  /// Every activation of the output, with a clip and without.
  @Test(
    arguments: Activation.allCases, [nil, 0.3, 0.8] as [Float?])
  func agreesWithCentralDifferences(_ activation: Activation, _ clip: Float?) throws {
    var random = SplitMix64(seed: 11)
    var configuration = Self.small()
    configuration.dialect.output.activation = activation
    configuration.dialect.output.clip = clip
    let model = try Model(configuration, random: &random)
    let parameters = try ParameterVector(model)
    let episodes = Self.episodes(2, configuration, steps: 3, &random)
    let oracle = NaiveModel(model)
    let got = try Self.run(configuration, episodes, parameters)

    let here = loss(oracle, episodes)
    expectClose(got.loss, here, within: 1e-5, "the loss")
    // Training follows the cross-entropy in nats.
    let unit = activation == .sigmoid ? log(2.0) : 1
    let difference = 1e-6
    let largest = got.gradient.map { Double(abs($0)) }.max() ?? 0
    #expect(largest > 0)
    for tensor in parameters.layout.tensors where oracle.tensors[tensor.name] != nil {
      for index in (0..<tensor.count).shuffled(using: &random).prefix(2) {
        var (above, below) = (oracle, oracle)
        above.tensors[tensor.name]![index] += difference
        below.tensors[tensor.name]![index] -= difference
        let right = unit * (loss(above, episodes) - here) / difference
        let left = unit * (here - loss(below, episodes)) / difference
        let gradient = Double(got.gradient[tensor.offset + index])
        // Where there is a kink, the sides differ.
        let distance = min(abs(gradient - right), abs(gradient - left))
        #expect(
          distance <= 2e-4 * largest + 3 * abs(right - left),
          "\(tensor.name)[\(index)] is \(gradient), not \(left) or \(right)")
      }
    }
  }

  /// The mean loss of a sequence, by the definitions.
  private func loss(_ model: NaiveModel, _ episodes: [Episode]) -> Double {
    let isSigmoid = model.configuration.dialect.output.activation == .sigmoid
    var loss = 0.0
    for episode in episodes {
      var state = model.makeState()
      for (step, input) in episode.inputs.enumerated() {
        let output = model.step(input.map(Double.init), &state).output
        for (y, target) in zip(output, episode.targets[step]) {
          let t = Double(target)
          loss +=
            Double(episode.mask[step])
            * (isSigmoid ? -t * log2(y) - (1 - t) * log2(1 - y) : (y - t) * (y - t))
        }
      }
    }
    return loss / Double(episodes.count)
  }
}
