import NTMTestSupport
import Testing

@testable import NTMModel

/// States that are stepped together.
struct StepTogetherTests {
  /// Boxes, because states can't be copied into an array.
  private final class Place {
    let state: UnsafeMutablePointer<State>
    let workspace: UnsafeMutablePointer<Workspace>

    init(_ model: Model) throws {
      state = .allocate(capacity: 1)
      workspace = .allocate(capacity: 1)
      state.initialize(to: try model.makeState())
      workspace.initialize(to: try model.makeWorkspace())
    }

    deinit {
      state.deinitialize(count: 1).deallocate()
      workspace.deinitialize(count: 1).deallocate()
    }
  }

  /// Whatever the configuration, the bits are those of steps one by one.
  @Test(arguments: StepTests.seeds.prefix(40))
  func bitsAreThoseOfStepsOneByOne(seed: UInt64) throws {
    let test = try StepTests.Case(seed: seed)
    let model = test.model
    var random = SplitMix64(seed: seed)
    let together = try (0..<7).map { _ in try Place(model) }
    let alone = try (0..<7).map { _ in try Place(model) }
    for step in 0..<4 {
      var inputs = together.map { _ in random.values(model.configuration.inputSize, within: 1) }
      // One is refused, and the others are not the worse for it.
      let refused = step == 2 ? 3 : nil
      if let refused { inputs[refused][0] = .infinity }
      let vectors = inputs.map { $0.allocated() }
      defer { for vector in vectors { vector.deallocate() } }
      var members = zip(vectors, together).map {
        StepMember(UnsafeBufferPointer($0), state: $1.state, workspace: $1.workspace)
      }
      members.withUnsafeMutableBufferPointer { model.step($0) }
      for index in together.indices {
        var error: StepError?
        let (state, workspace) = (alone[index].state, alone[index].workspace)
        let input = inputs[index]
        do throws(StepError) {
          try model.step(input.span, state: &state.pointee, workspace: &workspace.pointee)
        } catch let thrown { error = thrown }
        #expect(members[index].error == error)
        if index == refused { #expect(error == .nonFiniteInput(index: 0)) }
        let isSame = together[index].state.pointee.isIdentical(to: alone[index].state.pointee)
        #expect(isSame, "state \(index) after step \(step)")
        guard error == nil else { continue }
        let outputs = [together, alone].map { places in
          places[index].workspace.pointee.output.map(\.bitPattern)
        }
        #expect(outputs[0] == outputs[1])
      }
    }
  }
}
