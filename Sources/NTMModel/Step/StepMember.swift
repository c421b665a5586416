/// A state's part in a step of several states of one model, which go through the weights together.
///
/// It holds pointers: input, state and workspace have to stay where they are until the step is taken.
public struct StepMember {
  let input: UnsafeBufferPointer<Float>
  let state: UnsafeMutablePointer<State>
  let workspace: UnsafeMutablePointer<Workspace>
  /// Why its step was refused; nil where it was taken.
  public internal(set) var error: StepError?

  /// - Parameters:
  ///   - input: x_t, `configuration.inputSize` finite values
  ///   - state: becomes the state after the step
  ///   - workspace: of the model, and of this member alone; afterwards its `output` and head
  ///     parameters are this step's
  public init(
    _ input: UnsafeBufferPointer<Float>, state: UnsafeMutablePointer<State>,
    workspace: UnsafeMutablePointer<Workspace>
  ) {
    self.input = input
    self.state = state
    self.workspace = workspace
  }

  /// Does a part of the step, unless it was refused before.
  @inline(__always)
  mutating func proceed(
    _ part: (inout State, inout Workspace) throws(StepError) -> Void
  ) {
    guard error == nil else { return }
    do throws(StepError) { try part(&state.pointee, &workspace.pointee) } catch {
      self.error = error
    }
  }
}

extension Kernels {
  /// y = W x + b for all members whose step is not refused.
  ///
  /// - Parameters:
  ///   - x: inputs, in a member's workspace
  ///   - y: outputs, with room for whole vectors
  ///   - backwards: whether W is gone through from its end, which changes no bit
  @inline(__always)
  func multiply(
    _ map: LinearMap, _ members: UnsafeMutableBufferPointer<StepMember>, backwards: Bool,
    from x: (borrowing Workspace) -> UnsafeMutablePointer<Float>,
    to y: (borrowing Workspace) -> UnsafeMutablePointer<Float>
  ) {
    withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: members.count) { from in
      withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>?.self, capacity: members.count)
      {
        to in
        var count = 0
        for member in members where member.error == nil {
          from.initializeElement(at: count, to: x(member.workspace.pointee))
          to.initializeElement(at: count, to: y(member.workspace.pointee))
          count += 1
        }
        multiply(
          map, from.baseAddress!, into: to.baseAddress!, count: count, backwards: backwards)
      }
    }
  }
}
