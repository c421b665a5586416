/// What one head was told to do in the last step: its parameters after their activations
/// (paper, section 3.3). Pointers are valid until the workspace's next step.
public struct HeadReading {
  /// k, M values
  public let key: UnsafeBufferPointer<Float>
  /// β
  public let strength: Float?
  /// g
  public let gate: Float?
  /// s: a weight for each tap, or the displacement in rows of a continuous shift
  public let shift: UnsafeBufferPointer<Float>?
  /// γ
  public let sharpening: Float?
  /// e, M values, of a head that writes
  public let erase: UnsafeBufferPointer<Float>?
  /// a, M values, of a head that writes
  public let add: UnsafeBufferPointer<Float>?
}

extension Model {
  /// The parameters of head `index` in the last step that `workspace` took.
  public func head(_ index: Int, in workspace: borrowing Workspace) -> HeadReading {
    let values = UnsafePointer(workspace.parameters)
    let head = memory.heads[index]
    func slice(_ range: Range<Int>) -> UnsafeBufferPointer<Float> {
      UnsafeBufferPointer(start: values + range.lowerBound, count: range.count)
    }
    return HeadReading(
      key: slice(head.key), strength: head.strength.map { values[$0] },
      gate: head.gate.map { values[$0] }, shift: head.shift.map(slice),
      sharpening: head.sharpening.map { values[$0] }, erase: head.erase.map(slice),
      add: head.add.map(slice))
  }
}
