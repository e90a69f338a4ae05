/**
 * eslint-rules.mjs — the one lint rule that no library has: no module-level mutable state.
 *
 * A module variable is shared by every kernel and every vnet in the process, so it leaks from tenant to tenant and from run
 * to run. The rule refuses, at module level: `let` and `var`; a `const` whose value some function changes (assigns to a
 * property or element of it, or calls a method of it that changes it); a static class field that is not `readonly`. Filling a `const`
 * table while the module is loaded (a loop at module level) is fine: after that nobody changes it.
 *
 * Not here: aliases. A function that takes the table as an argument and changes it is not seen.
 */

const MUTATORS =
  /^(push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin|set|add|delete|clear|set(Ui|I)nt(8|16|32)|set(Float(32|64)|Big(Ui|I)nt64))$/;

/**
 * Does this run after the module is loaded? A static block does not; a function or a field's initial value does.
 * @param {any} node
 */
function runsLater(node) {
  for (let at = node; at; at = at.parent) {
    if (at.type === 'StaticBlock') return false;
    if (/Function/.test(at.type) || at.type === 'PropertyDefinition') return true;
  }
  return false;
}

/**
 * Does the expression that starts with this identifier (`x`, `x.y`, `x[i].z`) get changed where it stands?
 * @param {any} identifier
 */
function changes(identifier) {
  let at = identifier;
  let members = 0;
  while (at.parent?.type === 'MemberExpression' && at.parent.object === at) {
    at = at.parent;
    members++;
  }
  const parent = at.parent;
  if (members === 0) return false;
  if (parent?.type === 'AssignmentExpression') return parent.left === at;
  if (parent?.type === 'UpdateExpression') return true;
  if (parent?.type === 'UnaryExpression') return parent.operator === 'delete';
  if (parent?.type === 'CallExpression' && parent.callee === at) return !at.computed && MUTATORS.test(at.property.name ?? '');
  return false;
}

/** @type {import('eslint').Rule.RuleModule} */
export const noModuleState = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      letAtTop: 'Module-level `{{kind}}`: shared by every vnet in the process. Put it in the Kernel or the Vnet.',
      mutated: '`{{name}}` is a module-level value that a function changes: shared by every vnet in the process.',
      statik: 'A static field that is not readonly is module state.',
    },
  },
  create(context) {
    return {
      PropertyDefinition(/** @type {any} */ node) {
        if (node.static && !node.readonly) context.report({ node, messageId: 'statik' });
      },
      'Program:exit'() {
        const moduleScope = context.sourceCode.scopeManager.globalScope?.childScopes.find((scope) => scope.type === 'module');
        for (const variable of moduleScope?.variables ?? []) {
          const definition = variable.defs[0];
          if (definition?.type !== 'Variable') continue;
          const kind = definition.parent?.kind ?? 'const';
          if (kind !== 'const') {
            context.report({ node: definition.node, messageId: 'letAtTop', data: { kind } });
            continue;
          }
          for (const { identifier } of variable.references) {
            if (changes(identifier) && runsLater(identifier)) {
              context.report({ node: /** @type {any} */ (identifier), messageId: 'mutated', data: { name: variable.name } });
            }
          }
        }
      },
    };
  },
};
